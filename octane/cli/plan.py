"""`octane plan`: which port of which bridge leaves and comes, on every node, before anything is done."""

from __future__ import annotations

import argparse
import importlib
import inspect
from collections.abc import Iterable

from cliff.lister import Lister

from octane import settings
from octane.cli.app import OctaneCommand
from octane.journal import Journal
from octane.pair import environment_id

COLUMNS = ("node", "side", "purpose", "bridge", "provider", "port", "kind", "does", "when")


class Plan(OctaneCommand, Lister):
    """Show which port of which bridge leaves and comes, on every node of both sides, and in which stage

    ENV is the environment to upgrade or its seed. Bridges are found by the network roles in the facts that Nailgun
    computes; once there is a seed, what was recorded of its ports counts. Nothing is asked of the nodes and nothing is
    changed. It is refused as a whole, with every node that cannot be isolated and why, as the stages would refuse it.

    Each line: the node; its side, original or seed; what for, management, public, private (tenants) or several of
    them; the bridge and what makes it, lnx or ovs; the port; whether that is a port, a bond, a patch to another bridge,
    or the overlay between isolated controllers; whether it leaves, comes or stays; and when.
    """

    examples = ("octane plan 1", "octane plan 2 -f json", "octane plan 2 -f value -c node -c port -c does -c when")

    def get_description(self) -> str:
        return inspect.cleandoc(self.__doc__ or "")

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("environment", metavar="ENV", help="number of the environment to upgrade, or of its seed")
        return parser

    def take_action(self, parsed: argparse.Namespace) -> tuple[tuple[str, ...], Iterable[tuple[str, ...]]]:
        number = environment_id(parsed.environment, "ENV")
        # Imported here: Fuel's client is slow to import and of no use to other commands.
        networks = importlib.import_module("octane.procedure.networks")
        fuel = importlib.import_module("octane.fuel").connect()
        with Journal.open_to_read(settings.state_dir()) as journal:
            moves = [move.as_dict() for move in networks.plan_of(number, fuel, journal)]
        return COLUMNS, [tuple(move[column] for column in COLUMNS) for move in moves]
