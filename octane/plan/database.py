"""The plan of a hop's database stage: what is looked for, run, copied, migrated, proven and put right, in its order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain

from octane.path import Check, Hop, Pass, Service
from octane.path.release import Heads, Release, load_releases

INDENT = "  "
MIGRATED = (
    "Migrated on the copy, services side by side, the commands of one in their order, each once (what failed is copied "
    "again, and no migration is run again)"
)


def render(hop: Hop, releases: Iterable[Release] | None = None) -> str:
    """The plan of HOP as plain text, a line each thing that is done; RELEASES (all that are known) tell the heads."""
    known = {release.name: release for release in (load_releases() if releases is None else releases)}
    old, new = known[hop.release_from].schemas, known[hop.release_to].schemas
    sections = [
        (
            "Found before anything is changed, and once more right before the window; stops the stage",
            _checks(hop.breaking, mended=False),
        ),
        ("Waited for in the window; stops the stage before it where it stands still", _checks(hop.in_flight)),
        ("Run before the window, with the old release on the original", _before(hop)),
        ("Found after it, and stops the stage", _checks(hop.breaking, mended=True)),
        ("In the window", _window(hop)),
        (MIGRATED, [line for service in hop.services for line in _service(service, old, new)]),
        ("Put right on the copy", _rewrite(hop)),
        ("Set in the seed's configuration to what the copy says", _settings(hop)),
        ("Run on the copy at last, with the new release", _online(hop)),
        ("Again until nothing of this is left there; stops the stage if no run leaves less", _checks(hop.unmigrated)),
    ]
    fuel = [f"Fuel {', '.join(hop.fuel_from)} to {hop.fuel_to}"] if hop.fuel_to else []
    return "\n".join([hop.title, *fuel, *(line for title, lines in sections for line in _section(title, lines))]) + "\n"


def _section(title: str, lines: list[str]) -> list[str]:
    return ["", f"{title}:", *(INDENT + line for line in lines)] if lines else []


def _checks(checks: Iterable[Check], mended: bool = False) -> list[str]:
    wanted = [check for check in checks if check.mended_before is mended]
    return [line for check in wanted for line in (f"{check.database}: {check.finding}", f"{INDENT}-> {check.remedy}")]


def _before(hop: Hop) -> list[str]:
    return [f"{service}: {command}" for service, command in hop.before]


def _window(hop: Hop) -> list[str]:
    ports = [f"{name} {port}" for name, port in hop.apis.items()]
    expendable = [f"{database}.{table}" for database, tables in hop.expendable.items() for table in tables]
    for database, tables in hop.tolerated.items():
        expendable += [f"{database}.{table} ({', '.join(columns)})" for table, columns in tables.items()]
    return [
        f"writes refused by {', '.join(ports)}",
        *(_pass(one) for one in hop.passes),
        f"stopped on the original: {', '.join(hop.writers)}",
        f"may still be written there: {', '.join(expendable)}",
        f"copied: {', '.join(hop.databases)}",
        *(f"copied with them: {path}" for path in hop.files),
    ]


def _pass(one: Pass) -> str:
    written = [f"{database}.{table}" for database, tables in one.writes.items() for table in tables]
    return (
        f"but {one.method} {', '.join(one.paths)} passes on {', '.join(one.apis)}, and may write "
        f"{', '.join(written) or 'nothing'}: {one.reason}"
    )


def _service(service: Service, old: Mapping[str, Heads], new: Mapping[str, Heads]) -> list[str]:
    lines = [" ".join(words) for words in service.migrate]
    if service.configuration:
        lines.append(f"reads {', '.join(service.configuration)}, without read_timeout")
    for schema in service.schemas:
        name = schema.database
        scripts = f"{schema.package}/{schema.new.directory}"
        lines.append(f"{name}: from {old[name]} to {new[name]}, proven by the scripts in {scripts}")
    return [service.name, *(INDENT + line for line in lines)]


def _rewrite(hop: Hop) -> list[str]:
    records = [
        f"{one.database}.{one.table}: records of {', '.join(chain(*one.where.values()))} on the original's controllers"
        for one in hop.stale
    ]
    return [*records, *(f"{one.database}: {one.name.replace('_', ' ')}: {one.reason}" for one in hop.rewrite)]


def _settings(hop: Hop) -> list[str]:
    return [f"{one.option} in {one.file}: {one.reason}" for one in hop.settings]


def _online(hop: Hop) -> list[str]:
    return [f"{service.name}: {command}" for service in hop.services for command in service.online]
