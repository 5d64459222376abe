"""`octane plan waves`: which computes go together, and where their guests go, for a snapshot of a cloud."""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from octane.cli.app import OctaneCommand
from octane.errors import BadInput
from octane.plan import bound, computes, waves

NO_LIMIT = waves.Limits()
DURATIONS = waves.Durations(migration=30, installation=2400)
FIGURES = (
    ("--from-host", int, "N", NO_LIMIT.from_host, "live migrations of a compute at the same time"),
    ("--at-once", int, "N", NO_LIMIT.at_once, "live migrations of all at the same time"),
    ("--twice", float, "SHARE", NO_LIMIT.twice, "share of guests that may move once more than they must"),
    ("--migration", float, "SECONDS", DURATIONS.migration, "what a live migration takes"),
    ("--installation", float, "SECONDS", DURATIONS.installation, "what the installation of a wave takes"),
)
"""Options: name, type, what stands for the value, what it is if nobody says, and what it is about."""


class PlanWaves(OctaneCommand):
    """Show in which waves the computes of a cloud can be installed anew, and where each guest goes before

    SNAPSHOT is a file with one JSON object:

      {"computes": [{"name", "vcpus", "memory_mb", "disk_gb", "traits": [NAME], "domain", "upgraded"}],
       "guests": [{"id", "host", "vcpus", "memory_mb", "disk_gb", "traits": [NAME], "group", "stays"}],
       "groups": {GROUP: "affinity" or "anti-affinity"}}

    What a compute has is what guests may take of it, allocation ratios counted in. Traits are names of zones and
    aggregates, of a guest those that its host must have; a domain is the failure domain of a compute's OSDs; a guest
    stays if its disk is kept while its host is installed. Nothing is asked of a cloud and nothing is changed.

    Guests go to upgraded computes, so that only those of the first wave move twice. The document of `-f json` is

      {"computes", "guests", "migrations", "seconds", "least": {"waves", "seconds"},
       "waves": [{"computes": [NAME], "seconds", "migrations": [{"guest", "source", "target", "again"}]}],
       "left": [{"compute", "reason"}]}

    where `again` says that the guest will have to move once more, `least` is what no plan can do better, and `left` are
    computes that cannot be emptied; with any of these the exit code is 1.
    """

    examples = (
        "octane plan waves cloud.json",
        "octane plan waves cloud.json --wave 20 --canary 1",
        "octane plan waves cloud.json --domains 1 -f json",
    )

    def get_description(self) -> str:
        return inspect.cleandoc(self.__doc__ or "")

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add = parser.add_argument
        add("snapshot", metavar="SNAPSHOT", type=Path, help="file with the computes and guests of a cloud")
        add("--wave", type=int, metavar="N", help="so many computes together at most (as many as have room)")
        add("--canary", type=int, metavar="N", help="so many in the first wave at most")
        add("--domains", type=int, metavar="N", help="of so many failure domains together at most, those with OSDs")
        for name, kind, metavar, default, text in FIGURES:
            add(name, type=kind, metavar=metavar, default=default, help=f"{text} (%(default)s)")
        add("-f", "--format", choices=("table", "json"), default="table")
        return parser

    def take_action(self, parsed: argparse.Namespace) -> int:
        limits = waves.Limits(
            parsed.wave, parsed.canary, parsed.domains, parsed.twice, parsed.from_host, parsed.at_once
        )
        durations = waves.Durations(parsed.migration, parsed.installation)
        found = document(computes.parse(_read(parsed.snapshot)), limits, durations)
        if parsed.format == "json":
            print(json.dumps(found))
        else:
            _show(found, Console())
        return 1 if found["left"] else 0


def document(cloud: computes.Cloud, limits: waves.Limits, durations: waves.Durations) -> dict[str, Any]:
    """What `-f json` prints."""
    planned = waves.plan(cloud, limits)
    return {
        "computes": len(cloud.computes),
        "guests": len(cloud.guests),
        "migrations": planned.migrations,
        "seconds": planned.seconds(limits, durations),
        "least": {"waves": bound.waves(cloud, limits), "seconds": bound.seconds(cloud, limits, durations)},
        "waves": [
            {
                "computes": list(wave.computes),
                "seconds": waves.seconds_of(wave, limits, durations),
                "migrations": [dataclasses.asdict(one) for one in wave.migrations],
            }
            for wave in planned.waves
        ],
        "left": [dataclasses.asdict(one) for one in planned.left],
    }


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise BadInput(f"{path} cannot be read as a snapshot: {error}") from None


def _show(found: dict[str, Any], console: Console) -> None:
    table = Table("wave", "computes", "guests leave", "to move again", "minutes", "which")
    for number, wave in enumerate(found["waves"], 1):
        again = sum(one["again"] for one in wave["migrations"])
        figures = (len(wave["computes"]), len(wave["migrations"]), again, f"{wave['seconds'] / 60:.0f}")
        table.add_row(str(number), *map(str, figures), ", ".join(wave["computes"]))
    console.print(table)
    least = found["least"]
    console.print(
        f"{found['migrations']} migrations of {found['guests']} guests, {found['seconds'] / 60:.0f} minutes; "
        f"no plan needs less than {least['waves']} waves and {least['seconds'] / 60:.0f} minutes",
        highlight=False,
    )
    for one in found["left"]:
        console.print(f"{one['compute']} cannot go: {one['reason']}", highlight=False)
