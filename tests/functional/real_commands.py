"""Commands and daemons of the lab's two OpenStack releases, run on databases of a server of the tests' own."""

import contextlib
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pytest

from lab.cache import CACHE
from octane.path import Command, Service
from tests.functional.real_databases import Cloud

SECTIONS = {"placement": "placement_database", "nova_api": "api_database"}
"""Where a service's file names its database, if not in ``database``."""
NO_BROKER = "[DEFAULT]\ntransport_url = fake://\n"
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
        """A service's file with its database, MORE databases of it, and TEXT; PARAMETERS end each URL."""
        path = self.folder / f"{database}.conf"
        named = (
            f"[{SECTIONS.get(one, 'database')}]\nconnection = {self.url(one)}{parameters}\n"
            for one in (database, *more)
        )
        path.write_text("".join([text, *named]))
        return str(path)

    def of(self, service: Service, text: str = NO_BROKER) -> str:
        """A file for all commands of SERVICE, with TEXT: nova's read two databases."""
        if service.name == "nova":
            return self.configured("nova", more=("nova_api",), text=text)
        return self.configured(service.databases[0], text=text)

    def use(self, version: str) -> None:
        """The node has the commands of that release alone."""
        folder = programs(version)
        modules = self.cloud.server.node.modules
        self.monkeypatch.setattr(modules["octane_manage"], "_PATH", f"{folder}:/usr/bin:/bin")
        self.monkeypatch.setattr(modules["octane_schema"], "_PATH", folder)
        # Popen looks a program up by the caller's own path.
        self.monkeypatch.setenv("PATH", f"{folder}:/usr/sbin:/usr/bin:/bin")

    def run(self, version: str, commands: Iterable[Command | Sequence[str]], configuration: str, **options):
        self.use(version)
        given = [one if isinstance(one, Command) else Command(tuple(one)) for one in commands]
        orders = [
            {
                "command": list(one.words),
                "repeat_until": one.repeat_until,
                "repeat_on": one.repeat_on,
                "configuration": [configuration],
            }
            for one in given
        ]
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
