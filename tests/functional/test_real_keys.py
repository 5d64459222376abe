"""
Keystone's keys, as the real code of both of the lab's releases makes and uses them: what the old one gave out the new
one can read when the stage has copied them, and not before.
"""

import shutil
import subprocess

import pytest

from octane.path import load_hops
from tests.functional.real_commands import programs
from tests.functional.tree_ends import Side, transfer

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
HOP = next(hop for hop in load_hops() if hop.name == "antelope-caracal")
OLD, NEW = "2023.1", "2024.1"
REPOSITORIES = {"fernet_tokens": "keys-fernet", "fernet_receipts": "keys-fernet", "credential": "keys-credential"}
"""Folder by section, as they are below /etc/keystone: receipts have the tokens' keys unless something else is said."""
READY = """
import sys
from keystone.conf import CONF, configure
configure()
CONF(["--config-file", sys.argv[1]], project="keystone")
from keystone.credential.providers.fernet.core import Provider
from keystone.token.token_formatters import TokenFormatter
"""
GIVEN_OUT = "print(TokenFormatter().pack(b'a token')); print(Provider().encrypt('a credential')[0].decode())"
READ = """
for name, read, given in (("token", TokenFormatter().unpack, sys.argv[2]), ("blob", Provider().decrypt, sys.argv[3])):
    try:
        read(given)
    except Exception as error:
        print(name, type(error).__name__)
    else:
        print(name, "is read")
"""


class Keystone:
    """One release with key repositories of its own."""

    def __init__(self, version, root):
        self.version, self.root = version, root
        root.mkdir()
        for folder in set(REPOSITORIES.values()):
            (root / folder).mkdir(mode=0o700)
        places = "".join(f"[{section}]\nkey_repository = {root / name}\n" for section, name in REPOSITORIES.items())
        (root / "keystone.conf").write_text(places)
        for command in ("fernet_setup", "credential_setup"):
            self.run("keystone-manage", "--config-file", f"{root}/keystone.conf", command, *self.as_root())

    @staticmethod
    def as_root():
        return ("--keystone-user", "root", "--keystone-group", "root")

    def run(self, program, *words):
        told = [f"{programs(self.version)}/{program}", *words]
        return subprocess.run(told, check=True, capture_output=True, text=True).stdout.splitlines()

    def python(self, code, *words):
        return self.run("python", "-c", READY + code, f"{self.root}/keystone.conf", *words)


@pytest.fixture(scope="module")
def clouds(tmp_path_factory):
    root = tmp_path_factory.mktemp("keystone")
    return Keystone(OLD, root / "old"), Keystone(NEW, root / "new")


def test_without_the_originals_keys_no_token_and_no_credential_is_read_and_with_them_both_are(clouds, tmp_path):
    old, new = clouds
    given_out = old.python(GIVEN_OUT)
    assert len(given_out) == 2
    assert new.python(READ, *given_out) == ["token ValidationError", "blob CredentialEncryptionError"]
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    sides = Side(tmp_path / "one"), Side(tmp_path / "two")
    for folder in sorted(set(REPOSITORIES.values())):
        transfer(sides, old.root / folder, new.root / folder)
    assert new.python(READ, *given_out) == ["token is read", "blob is read"]


def test_every_repository_that_keystone_has_by_itself_is_copied_by_the_hop():
    said = READY.replace('["--config-file", sys.argv[1]]', "[]")
    sections = ", ".join(f"CONF.{section}.key_repository" for section in REPOSITORIES)
    for version in (OLD, NEW):
        told = [f"{programs(version)}/python", "-c", f"{said}\nprint(*({sections}))"]
        done = subprocess.run(told, check=True, capture_output=True, text=True)
        assert set(done.stdout.split()) == {f"{folder.rstrip('/')}/" for folder in HOP.files}
