"""Fingerprints of public keys, as Salt prints them for a key file."""

import hashlib


def fingerprint(public_key: bytes) -> str:
    """SHA-256 of a PEM public key as Salt prints it ("1f:02:..."): of the lines between the first and the last."""
    lines = [line for line in public_key.splitlines(keepends=True) if line.strip()]
    digest = hashlib.sha256(b"".join(lines[1:-1])).hexdigest()
    return ":".join(digest[i : i + 2] for i in range(0, len(digest), 2))
