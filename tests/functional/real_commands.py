"""
Commands of the lab's two releases of OpenStack, run on a database as the product runs them.
"""

import os
from pathlib import Path

import pytest

from lab.cache import CACHE
from octane.path import Command, Service


def programs(version: str) -> str:
    """The folder of the lab's release; skips the test when the lab has not installed it yet."""
    found = sorted(CACHE.glob(f"openstack-{version}-*/bin/cinder-manage"))
    if not found:
        pytest.skip(f"the lab has not installed OpenStack {version} yet")
    return str(found[-1].parent)


class Commands:
    """Runs commands of either release on the node's database, as its services are configured."""

    def __init__(self, cloud, folder, monkeypatch) -> None:
        self.cloud, self.folder, self.monkeypatch = cloud, folder, monkeypatch
        # Keystone's command trips over a percent sign in its URL, as the root password needs one here.
        user = "service@localhost"
        cloud.server.sql(f"CREATE OR REPLACE USER {user} IDENTIFIED BY 'hunter2'; GRANT ALL ON *.* TO {user};")

    def configured(self, database: str, parameters: str = "") -> str:
        path = self.folder / f"{database}.conf"
        socket = f"{self.cloud.server.root}/socket"
        url = f"mysql+pymysql://service:hunter2@localhost/{database}?unix_socket={socket}{parameters}"
        path.write_text(f"[database]\nconnection = {url}\n")
        return str(path)

    def of_nova(self) -> str:
        """A file for nova's commands, which read two databases."""
        path = self.folder / "both.conf"
        main, other = (Path(self.configured(database)).read_text() for database in ("nova", "nova_api"))
        head = f"[DEFAULT]\nlog_dir = {self.folder}\ntransport_url = fake://\n"
        path.write_text(head + main + other.replace("[database]", "[api_database]"))
        return str(path)

    def of(self, service: Service) -> str:
        """A file for the commands of SERVICE, which call the section of their database as the service does."""
        if service.name == "nova":
            return self.of_nova()
        path = Path(self.configured(service.databases[0]))
        if service.name == "placement":
            path.write_text(path.read_text().replace("[database]", "[placement_database]"))
        return str(path)

    def run(self, version: str, commands, configuration: str, **options):
        folder = programs(version)
        self.monkeypatch.setattr(self.cloud.server.node.modules["octane_manage"], "_PATH", f"{folder}:/usr/bin:/bin")
        # Popen looks a program up by the caller's own path.
        self.monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
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
