"""What a copy of the databases would lose, or the seed's server would not take: found by name before anything moves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from octane.context import Context
from octane.sides import sides

TIMEOUT = 300
"""Seconds for a look into the server's dictionary."""
TOLD = 5
"""Names that a sentence has at most."""

FOUND = {
    "names": (
        "names that the copy cannot take (NULL, control characters, / or \\, - at the beginning, #mysql50#)",
        "rename the tables, views or columns, or drop them",
    ),
    "unopened": ("tables that the server cannot open", "restore them, or drop them"),
    "special": (
        "what is neither a table nor a view, and would not be copied as a whole",
        "drop the sequence, or the history of the table with `ALTER TABLE NAME DROP SYSTEM VERSIONING`",
    ),
    "columns": (
        "columns of a type that the copy does not know",
        "run `ALTER TABLE` to give them another, or drop them",
    ),
    "views": ("views that cannot be read", "restore what the view reads, or drop the view"),
    "beyond": (
        "references to what will not be there when the copy is made (of a database that is not moved, a view of "
        "another database)",
        "drop the foreign key or the view, and make it again after the upgrade",
    ),
    "events": (
        "events that would run on both sides",
        "run `ALTER EVENT NAME DISABLE` until the upgrade is over, or drop them",
    ),
    "without_mysqldump": (
        "views, routines, triggers or events, and no program mysqldump here that copies them",
        "run `apt-get install` for the package of the server's client programs, or drop them",
    ),
}
"""By the kinds of ``octane_copyable.source``: what it is, and what to do about it."""


def uncopyable(ctx: Context, databases: Iterable[str], clustered: bool) -> list[str]:
    """What stands in the way of a copy of DATABASES by either way, a sentence each, with its remedy.

    :param clustered: the seed's server is a member of a Galera cluster
    """
    side = sides(ctx)
    node, seed = side.originals[0], side.seeds[0]
    there = ctx.nodes.call([node], "octane_copyable.source", sorted(databases), timeout=TIMEOUT)[node]
    here = ctx.nodes.call([seed], "octane_copyable.target", sorted(there["definers"]), timeout=TIMEOUT)[seed]
    return [
        *(
            f"{node}: {what}: {_names(there['found'][kind])}: {remedy}"
            for kind, (what, remedy) in FOUND.items()
            if there["found"][kind]
        ),
        *_engines(node, there["engines"], here["engines"], clustered),
        *(
            f"{seed}: no account {account}, as which these run: {_names(there['definers'][account])}: "
            f"run `CREATE USER` for it there, or drop them on {node}"
            for account in here["missing"]
        ),
        *_settings(seed, there["settings"], here["settings"]),
    ]


def _engines(node: str, used: Mapping[str, list[str]], known: Iterable[str], clustered: bool) -> list[str]:
    if clustered:
        known, why = ("InnoDB",), "whose rows Galera does not take to the seed's other controllers"
    else:
        why = "which the seed's server does not have"
    return [
        f"{node}: tables of the engine {engine}, {why}: {_names(names)}: run `ALTER TABLE NAME ENGINE=InnoDB`"
        for engine, names in sorted(used.items())
        if engine not in known
    ]


def _settings(seed: str, original: Mapping[str, str], own: Mapping[str, str]) -> list[str]:
    """What the seed's server must be set to; what one of the two does not know is not looked at."""
    problems = []
    if own.get("local_infile") == "OFF":
        problems.append(
            f"{seed}: local_infile is OFF, so that it takes no rows: run `SET GLOBAL local_infile = 1` there"
        )
    if _is_less(own, original, "max_allowed_packet"):
        wanted = original["max_allowed_packet"]
        problems.append(
            f"{seed}: max_allowed_packet is {own['max_allowed_packet']}, and rows of the original may have {wanted} "
            f"bytes: run `SET GLOBAL max_allowed_packet = {wanted}` there, and set it in its configuration"
        )
    if _is_less(own, original, "innodb_page_size"):
        problems.append(_deploy(seed, "innodb_page_size", own, original))
    if own.get("lower_case_table_names") != original.get("lower_case_table_names"):
        problems.append(_deploy(seed, "lower_case_table_names", own, original))
    return problems


def _is_less(own: Mapping[str, str], original: Mapping[str, str], name: str) -> bool:
    return name in own and name in original and int(own[name]) < int(original[name])


def _deploy(seed: str, name: str, own: Mapping[str, str], original: Mapping[str, str]) -> str:
    return (
        f"{seed}: {name} is {own.get(name)}, and {original.get(name)} on the original: deploy the seed's database with "
        "the original's"
    )


def _names(names: list[str]) -> str:
    return ", ".join(names[:TOLD]) + (", ..." if len(names) > TOLD else "")
