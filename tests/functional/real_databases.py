"""
Databases of real old releases, each release in a MariaDB of its own.

The dumps of Juno and Kilo are not part of the repository: they are looked for in OCTANE_SCHEMA_DUMPS, or beside the
checkout in ``shared/facts/schemas``. The schemas of the lab's old release are those that the lab keeps in its cache.
"""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from lab.cache import CACHE
from octane.path import load_hops
from octane.procedure import db_rows
from tests.functional import later_databases
from tests.functional.further_rows import FURTHER, further
from tests.functional.mariadb import Server
from tests.unit.procedure.world import ORIGINAL, SEED, FakeContext, FakeNodes, node

PLACES = (os.environ.get("OCTANE_SCHEMA_DUMPS"), Path(__file__).parents[3] / "shared/facts/schemas")
DUMPS = next((Path(place) for place in PLACES if place and Path(place).is_dir()), None)
HOPS = {hop.name: hop for hop in load_hops()}
STARTS = {"juno-kilo": "juno", "kilo-liberty": "kilo", "liberty-mitaka": "kilo", "antelope-caracal": "antelope"}
LAB = {"antelope": "2023.1", "caracal": "2024.1"}
"""Releases of the lab, whose schemas it keeps in its cache."""


class Cloud:
    """The databases of one release in a server of its own, which can be had again as they were dumped."""

    def __init__(self, release: str, root: Path) -> None:
        self.dumps = dumps_of(release)
        self.server = Server(root)

    def load(self) -> None:
        for database in self.dumps:
            self.restore(database)

    def restore(self, database: str, dump: str | None = None) -> None:
        """DATABASE as it was dumped, or made of another DUMP."""
        self.server.sql(f"DROP DATABASE IF EXISTS {database}; CREATE DATABASE {database} CHARACTER SET utf8;")
        self.plant(database, self.dumps[database] if dump is None else dump)

    def plant(self, database: str, sql: str) -> None:
        self.server.sql(f"USE {database}; SET FOREIGN_KEY_CHECKS = 0;\n{sql}")

    def query(self, database: str, sql: str) -> list[dict[str, str | None]]:
        """Rows of one SELECT in DATABASE."""
        return self.server.node.call("octane_mysql.query", f"USE `{database}`;\n{sql}")

    def ctx(self, hop: str) -> FakeContext:
        def call(name):
            return lambda minion, *args: self.server.node.call(name, *args)

        functions = {name: call(name) for name in ("octane_rows.matching", "octane_db.schema_heads")}
        members = [node(1, ORIGINAL, "controller"), node(4, SEED, "controller")]
        return FakeContext(FakeNodes(functions), HOPS[hop], members)

    def findings(self, hop: str) -> list[str]:
        """What stops the stage along HOP, and what would stop it after the commands before the window."""
        ctx = self.ctx(hop)
        return [*db_rows.findings(ctx, ctx.path.databases), *db_rows.unmended(ctx)]


def dumps_of(release: str) -> dict[str, str]:
    """SQL by database; skips the test when there is none here."""
    if release in later_databases.BEFORE:
        dumps = dumps_of(later_databases.BEFORE[release])
        recorded = DUMPS / later_databases.RECORDED if DUMPS else None
        if recorded is None or not recorded.exists():
            pytest.skip("no recorded difference of real schemas here")
        made = later_databases.altered(release, dumps, recorded.read_text())
        return _with_further_rows(release, made) if release in FURTHER else made
    if release in LAB:
        found = sorted(CACHE.glob(f"openstack-{LAB[release]}-*/schemas.sql"))
        if not found:
            pytest.skip(f"the lab has made no schemas of {release} yet")
        # What a dump ends with puts variables back that it began with setting.
        parts = found[-1].read_text().partition("SET TIME_ZONE=@OLD_TIME_ZONE")[0].rpartition("\n")[0]
        parts = parts.split("\nCREATE DATABASE ")[1:]
        return {part.split("`", 2)[1]: part.partition("\nUSE ")[2].partition("\n")[2] for part in parts}
    if DUMPS is None:
        pytest.skip("no dumps of real databases here")
    found = {path.name[:-4]: path.read_text() for path in (DUMPS / release).glob("*.sql") if "." not in path.stem}
    return _with_further_rows(release, found)


def _with_further_rows(release: str, dumps: Mapping[str, str]) -> dict[str, str]:
    return {database: f"{sql}\n{further(release, database)}" for database, sql in dumps.items()}
