"""
The lab's old release with something of each kind in it, and the same after the real migrations of the new release.

Every table has rows of which each refers to the rows of the same number: numbers, and texts made of them.
"""

import subprocess
from pathlib import Path

import pytest

from octane.path import Hop
from tests.functional.real_commands import Commands
from tests.functional.real_databases import Cloud

ROWS = (1, 2, 3)
COLUMNS = """
SELECT table_name AS t, column_name AS name, data_type AS type, column_type AS whole, column_key AS k,
character_maximum_length AS longest FROM information_schema.columns JOIN information_schema.tables USING (table_schema,
table_name) WHERE table_schema = '{database}' AND table_type = 'BASE TABLE' AND extra NOT LIKE '%GENERATED%'
ORDER BY table_name, ordinal_position
"""
VERSIONS = ("alembic_version", "migrate_version")
NUMBERS = ("int", "bigint", "smallint", "mediumint", "decimal", "double", "float")
DATES = ("datetime", "timestamp", "date")


def populate(cloud: Cloud) -> None:
    """Rows in all tables of CLOUD but those that its release's scripts keep."""
    for database in cloud.dumps:
        found = cloud.server.node.call("octane_mysql.query", COLUMNS.format(database=database))
        tables: dict[str, list[dict]] = {}
        for column in found:
            tables.setdefault(column["t"], []).append(column)
        filled = {name: columns for name, columns in tables.items() if name not in VERSIONS}
        cloud.plant(database, "".join(_insert(name, columns) for name, columns in filled.items()))


def _insert(table: str, columns: list[dict]) -> str:
    names = ", ".join(f"`{one['name']}`" for one in columns)
    rows = ", ".join(f"({', '.join(_value(table, one, number) for one in columns)})" for number in ROWS)
    # What a release's own migrations put there stays.
    return f"INSERT IGNORE INTO `{table}` ({names}) VALUES {rows};\n"


def _value(table: str, column: dict, number: int) -> str:
    name, kind = column["name"], column["type"]
    if name == "deleted" or column["whole"] == "tinyint(1)":
        return "0" if name == "deleted" or number == 1 else "1"
    if name in ("deleted_at", "task_state"):
        return "NULL"
    if kind in NUMBERS or kind == "tinyint":
        return str(number)
    if kind in DATES:
        return f"'2024-01-0{number} 00:00:00'"
    if kind == "enum":
        return f"'{column['whole'].split(chr(39))[1]}'"
    if (table, name) == ("instance_extra", "flavor"):
        return f"""'{{"cur": {{"nova_object.data": {{"flavorid": "{number}"}}}}, "old": null}}'"""
    if kind in ("text", "mediumtext", "longtext", "json", "blob", "mediumblob", "longblob"):
        return f"'{{\"{name}\": \"{number}\"}}'"
    # What names a row is the same wherever it is named.
    text = f"{number}" if name.endswith("id") or name == "uuid" else f"{number} {name}"
    return f"'{text[: int(column['longest'] or 1)]}'"


class Populated(Cloud):
    """The databases of a release with rows in all their tables, kept: :meth:`restore` brings these back."""

    def __init__(self, release: str, root: Path) -> None:
        super().__init__(release, root)
        self.load()
        populate(self)
        self.keep()

    def keep(self) -> None:
        """Take what is there now for what is to be restored."""
        self.dumps = {database: self._dumped(database) for database in self.dumps}

    def _dumped(self, database: str) -> str:
        options = self.server.node.call("octane_mysql.options")
        command = ["mysqldump", *options, "--skip-opt", "--create-options", "--extended-insert", "--hex-blob", database]
        return subprocess.run(command, capture_output=True, check=True, text=True).stdout


def migrate(cloud: Cloud, hop: Hop, folder: Path, version: str) -> None:
    """Run all commands of HOP that migrate schemas, with the programs of the lab's release VERSION."""
    with pytest.MonkeyPatch.context() as patch:
        commands = Commands(cloud, folder, patch)
        for service in hop.services:
            commands.run(version, service.migrate, commands.of(service))
