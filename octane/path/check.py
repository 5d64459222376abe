"""Questions to a database whose answer should be "no rows": in a hop's file, or by name among those that hops share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from octane.errors import BadInput
from octane.path.hop_schema import CHECK

CHECKS = Path(__file__).parent / "checks"


@dataclass(frozen=True)
class Check:
    """One question. ``query`` returns the ids of what should not be there, as ``id``; of work in flight also ``since``,
    the UTC time of its last change. ``finding`` says what these are, ``remedy`` what to do about them;
    ``mended_before``: the hop's commands before the window put them right."""

    name: str
    database: str
    query: str
    finding: str
    remedy: str
    mended_before: bool = False


def chosen(entries: Iterable[Mapping[str, Any] | str], source: str) -> tuple[Check, ...]:
    """The checks of a list in a hop's file: each written there, or the name of a shared one.

    :raises BadInput: a name that no shared check has
    """
    shared = load_checks()
    unknown = sorted(entry for entry in entries if isinstance(entry, str) and entry not in shared)
    if unknown:
        raise BadInput(f"{source}: no shared check is named {', '.join(unknown)}")
    return tuple(shared[entry] if isinstance(entry, str) else Check(**entry) for entry in entries)


def of_dropped(database: str, tables: Iterable[str]) -> Check:
    """The check of TABLES that a hop's migrations drop from DATABASE, whatever they hold: only without rows is nothing
    lost with them."""
    counted = " UNION ALL ".join(f"SELECT '{table}' AS name, COUNT(*) AS number FROM `{table}`" for table in tables)
    return Check(
        name=f"dropped_tables_of_{database}",
        database=database,
        query=f"SELECT CONCAT(name, ' (', number, ' rows)') AS id FROM ({counted}) AS dropped WHERE number > 0",
        finding="tables with rows, which the migrations drop with all they hold",
        remedy=f"export their rows if anybody still needs them, then delete these from {database}'s tables",
    )


@cache
def load_checks(directory: Path = CHECKS) -> Mapping[str, Check]:
    """Every check that hops share, by name.

    :raises BadInput: naming the first file that cannot be used.
    """
    return {check.name: check for path in sorted(directory.glob("*.yaml")) for check in _read(path)}


def _read(path: Path) -> list[Check]:
    data = yaml.safe_load(path.read_text())
    try:
        jsonschema.validate(data, {"type": "array", "items": CHECK})
    except jsonschema.ValidationError as error:
        raise BadInput(f"{path.name}: {'/'.join(map(str, error.absolute_path))}: {error.message}") from error
    return [Check(**entry) for entry in data]
