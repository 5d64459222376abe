"""A compute node that was installed anew is for nova the one that it was."""

import subprocess
from types import SimpleNamespace

import pytest

from lab.deployer import cloud

UUID = "5a1f1d5e-0000-4000-8000-000000000007"
NODE = SimpleNamespace(uid="7", fqdn="node-7.domain.tld")


class Host:
    def __init__(self, root, said=""):
        self.root = root
        self.said = said
        self.asked = []

    def run(self, argv, **options):
        self.asked.append(argv[-1])
        return subprocess.CompletedProcess(argv, 0, stdout=self.said)

    def write(self, path, text, **options):
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True)
        file.write_text(text)


def kept(tmp_path, known, before=None):
    """What a compute node has for an identity, when the database knows the lines KNOWN."""
    primary, host = Host(tmp_path / "node-1", known), Host(tmp_path / "node-7")
    if before:
        host.write(cloud.IDENTITY, before)
    cloud.keep_identities(primary, {"7": host}, [NODE])
    assert all(NODE.fqdn in query for query in primary.asked)
    file = host.root / cloud.IDENTITY.lstrip("/")
    return file.read_text() if file.exists() else None


def test_it_gets_the_identity_back_that_the_database_knows(tmp_path):
    assert kept(tmp_path, f"{UUID}\n") == UUID


def test_one_that_has_an_identity_keeps_it(tmp_path):
    assert kept(tmp_path, f"{UUID}\n", before="another") == "another"


@pytest.mark.parametrize("known", ["", f"{UUID}\n{UUID}\n"])
def test_a_new_or_an_ambiguous_one_finds_its_own(tmp_path, known):
    assert kept(tmp_path, known) is None
