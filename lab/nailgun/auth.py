"""Keystone v2.0, as much of it as clients of Nailgun use: tokens for one user."""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from pathlib import Path
from typing import Any

from lab.nailgun.errors import ApiError
from lab.nailgun.state import write_private

PUBLIC = {("POST", "/nodes"), ("PUT", "/nodes/agent")}
"""What agents may do without a token."""


class Keystone:
    """Tokens of user admin; they expire after ``lifetime`` seconds.

    Those of a Fuel master are rows of Keystone's database, in another container than Nailgun's: they outlive a restart.
    Here ``file`` remembers them, by their hashes; without one they end with the object.
    """

    def __init__(
        self, user: str = "admin", password: str = "admin", lifetime: float = 3600, file: Path | None = None
    ) -> None:
        self.user = user
        self.password = password
        self.lifetime = lifetime
        self.file = file
        self.expiry: dict[str, float] = _remembered(file)

    def accepts(self, token: str | None) -> bool:
        """Whether the token was issued here and has not expired."""
        return token is not None and self.expiry.get(_hash(token), 0) > time.time()

    def issue(self, body: Any) -> dict[str, Any]:
        """POST /v2.0/tokens; ApiError 400 for a malformed body, 401 for wrong credentials."""
        try:
            request = body["auth"]
            given = _credentials(request)
        except (KeyError, TypeError):
            raise ApiError("", 400) from None
        if given != (self.user, self.password) and not self.accepts(request.get("token", {}).get("id")):
            raise ApiError("", 401)
        return self._access()

    def _access(self) -> dict[str, Any]:
        now = time.time()
        token = f"token{secrets.token_hex(16)}"
        live = {known: end for known, end in self.expiry.items() if end > now}
        self.expiry = live | {_hash(token): now + self.lifetime}
        if self.file:
            write_private(self.file, self.expiry)
        return {
            "access": {
                "token": {
                    "id": token,
                    "issued_at": time.strftime("%Y-%m-%dT%H:%M:%S.000000", time.gmtime(now)),
                    "expires": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now + self.lifetime)),
                    "tenant": {"id": "12345", "name": "admin", "description": None, "enabled": True},
                },
                "serviceCatalog": [],
                "user": {
                    "id": "9876",
                    "name": self.user,
                    "username": self.user,
                    "roles": [{"name": "admin"}],
                    "roles_links": [],
                },
                "metadata": {"is_admin": 0, "roles": ["4567"]},
            }
        }


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _remembered(file: Path | None) -> dict[str, float]:
    """Hash of a token -> when it expires. What cannot be read is forgotten: clients then ask for new tokens."""
    try:
        content = json.loads(file.read_text(encoding="utf-8")) if file else {}
    except (OSError, ValueError):
        return {}
    if not isinstance(content, dict):
        return {}
    return {name: end for name, end in content.items() if isinstance(end, int | float)}


def _credentials(request: dict[str, Any]) -> tuple[str, str] | None:
    """User and password of an ``auth`` object, or None when it offers a token instead."""
    if "token" in request and "passwordCredentials" not in request:
        return None
    given = request["passwordCredentials"]
    return given["username"], given["password"]
