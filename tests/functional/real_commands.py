"""Commands and daemons of the lab's two OpenStack releases, run on databases of a server of the tests' own."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.cache import CACHE
from tests.functional.real_databases import Cloud

SECTIONS = {"placement": "placement_database", "nova_api": "api_database"}
"""Where a service's file names its database, if not in ``database``."""
ENDS_WITHIN = 60


def programs(version: str) -> str:
    """The folder of the lab's release; skips the test when the lab has not installed it yet."""
    found = sorted(CACHE.glob(f"openstack-{version}-*/bin/cinder-manage"))
    if not found:
        pytest.skip(f"the lab has not installed OpenStack {version} yet")
    return str(found[-1].parent)


class Commands:
    """Runs commands of either release on the node's database, as its services are configured."""

    def __init__(self, cloud: Cloud, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.cloud, self.folder, self.monkeypatch = cloud, folder, monkeypatch
        # Keystone's command trips over a percent sign in its URL, as the root password needs one here.
        user = "service@localhost"
        cloud.server.sql(f"CREATE OR REPLACE USER {user} IDENTIFIED BY 'hunter2'; GRANT ALL ON *.* TO {user};")

    def url(self, database: str) -> str:
        return f"mysql+pymysql://service:hunter2@localhost/{database}?unix_socket={self.cloud.server.root}/socket"

    def configured(self, database: str, parameters: str = "", more: tuple[str, ...] = (), text: str = "") -> str:
        """A service's file with its database, MORE databases of it, and TEXT."""
        path = self.folder / f"{database}.conf"
        named = (f"[{SECTIONS.get(one, 'database')}]\nconnection = {self.url(one)}" for one in (database, *more))
        path.write_text("\n".join([text, *named]) + f"{parameters}\n")
        return str(path)

    def use(self, version: str) -> None:
        """The node has the commands of that release alone."""
        folder = programs(version)
        modules = self.cloud.server.node.modules
        self.monkeypatch.setattr(modules["octane_manage"], "_PATH", f"{folder}:/usr/bin:/bin")
        self.monkeypatch.setattr(modules["octane_schema"], "_PATH", folder)
        # Popen looks a program up by the caller's own path.
        self.monkeypatch.setenv("PATH", f"{folder}:/usr/sbin:/usr/bin:/bin")

    def run(self, version: str, commands, configuration: str, **options):
        self.use(version)
        orders = [{"command": list(words), "configuration": [configuration]} for words in commands]
        return self.cloud.server.call("run_manage", orders, **options)["commands"]


@contextlib.contextmanager
def daemon(version: str, name: str, configuration: str, log: Path) -> Iterator[subprocess.Popen]:
    """A daemon of a release while it is looked at; what it says is in LOG."""
    command = [f"{programs(version)}/{name}", "--config-file", configuration]
    with open(log, "wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        yield process
    finally:
        process.kill()
        process.wait(ENDS_WITHIN)
