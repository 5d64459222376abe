"""The stages as commands."""

from __future__ import annotations

import argparse
import importlib
import re
import time
from types import ModuleType
from typing import TYPE_CHECKING, Any

from rich.console import Console

from octane import roles, settings
from octane import stage as stages
from octane.cli.app import OctaneCommand
from octane.cli.run import Rollback, StageRun, refuse_early
from octane.definition import MINION_ID
from octane.errors import BadInput
from octane.journal import Journal
from octane.pair import MASTER_ID, environment_id

if TYPE_CHECKING:
    from octane.fuel.nodes import Node

COMPONENT = re.compile(r"[a-z][a-z0-9_-]{0,40}")


class StageCommand(OctaneCommand):
    """Base of the commands that run a stage."""

    stage_name = ""
    runs: type[StageRun] = StageRun

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--test", action="store_true", help="say truthfully what would be done, and change nothing")
        self.add_arguments(parser)
        return parser

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """What names the upgrade; nothing for stages of the master itself."""

    def options(self, parsed: argparse.Namespace) -> dict[str, Any]:
        """The pillar of the orchestration.

        :raises BadInput: something typed cannot be right.
        """
        return {}

    def stages_of(self, parsed: argparse.Namespace) -> tuple[str, ...]:
        """Names of the stages that are meant, in the order in which they are run."""
        return (self.stage_name,)

    def before(self, console: Console, test: bool) -> bool:
        """What has to be done before Salt can run the orchestration; whether the orchestration can be run then."""
        return True

    def after(self, console: Console, test: bool) -> None:
        """What can only be done once the orchestration has ended well, because it needs Salt as it is."""

    def take_action(self, parsed: argparse.Namespace) -> None:
        for name in self.stages_of(parsed):
            self._run(stages.get(name), parsed)

    def _run(self, stage: stages.Stage, parsed: argparse.Namespace) -> None:
        options = self.options(parsed)
        state_dir = settings.state_dir()
        console = Console()
        refuse_early(state_dir, stage, options, back=self.runs.back)
        if not self.before(console, parsed.test):
            return
        run = self.runs(stage, options, state_dir, console)
        if parsed.test:
            run.dry_run()
        else:
            run.run()
        self.after(console, parsed.test)


class SeedCommand(StageCommand):
    """Base of the stages that take a seed."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("seed", metavar="SEED", help="number of the seed environment, see `octane status`")

    def options(self, parsed: argparse.Namespace) -> dict[str, Any]:
        return {"seed": environment_id(parsed.seed, "SEED")}


class Prepare(StageCommand):
    """Make this Fuel master ready: Salt, minions on the nodes, what Nailgun lacks"""

    stage_name = "prepare"
    examples = ("octane prepare", "octane prepare 1", "octane prepare --test")

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "environments", metavar="ENV", nargs="*", help="environments whose nodes become minions, all without any"
        )

    def options(self, parsed: argparse.Namespace) -> dict[str, Any]:
        return {"environments": [environment_id(value, "ENV") for value in parsed.environments]}

    def before(self, console: Console, test: bool) -> bool:
        return _configure_salt(console, test)


class UpgradeEnv(StageCommand):
    """Clone an environment and deploy the clone's controllers, isolated, on spare nodes

    With --node-by-node no spare node is needed: the original's first controller leaves it, is installed anew and
    becomes the seed's only controller. The original goes on with the others, with none of them to lose meanwhile.
    """

    stage_name = "upgrade-env"
    examples = (
        "octane upgrade-env 1",
        "octane upgrade-env 1 4 5 6",
        "octane upgrade-env 1 --node-by-node",
        "octane upgrade-env 1 4 --test",
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("original", metavar="ENV", help="number of the environment to upgrade")
        parser.add_argument(
            "nodes", metavar="NODE", nargs="*", help="numbers of one to three spare nodes; without any they are chosen"
        )
        parser.add_argument(
            "--node-by-node",
            action="store_true",
            help="without spare nodes: the controller of lowest number is installed anew as the seed's first; of an "
            "environment with three controllers or more",
        )
        parser.add_argument(
            "--leave-behind",
            metavar="NAME",
            action="append",
            default=[],
            help="a component whose data will not be moved, e.g. murano: said by who knows it; may be repeated",
        )

    def options(self, parsed: argparse.Namespace) -> dict[str, Any]:
        nodes = [_node_id(value) for value in parsed.nodes]
        if len(nodes) != len(set(nodes)):
            raise BadInput(f"a node is named twice: {' '.join(parsed.nodes)}")
        for name in parsed.leave_behind:
            if not COMPONENT.fullmatch(name):
                raise BadInput(f"--leave-behind takes the name of a component, not {name!r}")
        if parsed.node_by_node and nodes:
            raise BadInput("--node-by-node takes no spare nodes: leave the numbers out, or leave --node-by-node out")
        given = {"original": environment_id(parsed.original, "ENV"), "nodes": nodes}
        chosen = {stages.NODE_BY_NODE: True} if parsed.node_by_node else {}
        return {**given, "leave_behind": parsed.leave_behind, **chosen}


class UpgradeDb(SeedCommand):
    """Refuse writes on the original, move its databases to the seed, migrate and verify them

    With --check or --rehearse users notice nothing, and neither is needed before the real one; both can be repeated.
    """

    stage_name = "upgrade-db"
    examples = (
        "octane upgrade-db 2 --check",
        "octane upgrade-db 2 --rehearse",
        "octane upgrade-db 2",
        "octane upgrade-db 2 --leave murano",
        "octane upgrade-db 2 --test",
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        super().add_arguments(parser)
        trial = parser.add_mutually_exclusive_group()
        trial.add_argument(
            "--check", action="store_const", dest="trial", const="check-db", help="only find all that stands in the way"
        )
        trial.add_argument(
            "--rehearse",
            action="store_const",
            dest="trial",
            const="rehearse-db",
            help="migrate and verify a copy on a scratch server of the seed, then throw it away",
        )
        parser.add_argument(
            "--leave",
            metavar="NAME",
            action="append",
            default=[],
            help="a database that this path does not know, and that is not to be moved; may be repeated",
        )
        parser.add_argument(
            "--finish-migrations",
            action="store_true",
            help="with --check or --rehearse: first run the data migrations of the original's own release on it, which "
            "the real one runs in any case",
        )

        parser.add_argument(
            "--way",
            choices=("replica", "dump"),
            help="how the databases come to the seed: followed up to the window, or copied inside it; without it, the "
            "first that the original's server allows",
        )
        parser.add_argument(
            "--rate",
            metavar="BYTES",
            type=_rate,
            help="bytes per second that the copy may take, e.g. 20M; 0: no limit; without it as many as go while users "
            f"wait (dump), and {stages.DEFAULT_RATE >> 20}M as long as they work (--rehearse, replica). The comparison "
            "before the window reads as many on the average, but each table in one go and as fast as its server can",
        )

    def stages_of(self, parsed: argparse.Namespace) -> tuple[str, ...]:
        return (parsed.trial or self.stage_name,)

    def options(self, parsed: argparse.Namespace) -> dict[str, Any]:
        given = {name: getattr(parsed, name) or None for name in ("leave", "finish_migrations", "way")}
        given["rate"] = parsed.rate
        return {**super().options(parsed), **{name: value for name, value in given.items() if value is not None}}


class FencedCommand(SeedCommand):
    """Base of the commands that can do without a node that is powered off."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--fenced",
            metavar="NODE",
            action="append",
            default=[],
            help="a node that does not answer, e.g. node-2: said by who knows that it is powered off and stays "
            "so; may be repeated",
        )

    def options(self, parsed: argparse.Namespace) -> dict[str, Any]:
        for name in parsed.fenced:
            if not MINION_ID.fullmatch(name):
                raise BadInput(f"--fenced takes the name of a node as `salt-key` shows it, not {name!r}")
        return {**super().options(parsed), **({stages.FENCED: parsed.fenced} if parsed.fenced else {})}


class UpgradeControl(FencedCommand):
    """Give the original's addresses to the seed's controllers, connect the computes, accept writes"""

    stage_name = "upgrade-control"
    examples = (
        "octane upgrade-control 2",
        "octane upgrade-control 2 --test",
        "octane upgrade-control 2 --fenced node-2",
    )


class UpgradeNode(SeedCommand):
    """Install nodes of the original anew, which join the seed's: one after the other

    Controllers, of upgrades that began with --node-by-node, and nodes with OSDs, computes as well or not. Data disks of
    OSDs stay as they are, and no data moves; a compute must have no guest. Until the monitors can be moved upgrade-env
    lets no environment with Ceph in. From the first node on there is no way back to the original's controllers:
    rollback-control is refused then.
    """

    stage_name = "upgrade-node"
    examples = ("octane upgrade-node 2 2", "octane upgrade-node 2 7 8 9", "octane upgrade-node 2 7 --test")

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "nodes", metavar="NODE", nargs="+", help="numbers of fenced controllers of the original, or nodes with OSDs"
        )

    def take_action(self, parsed: argparse.Namespace) -> None:
        numbers = list(dict.fromkeys([_node_id(value) for value in parsed.nodes]))
        # All are looked at before the first one is touched.
        handled = {number: roles.handler(_node(number)).option for number in numbers}
        for parsed.node, parsed.option in handled.items():
            super().take_action(parsed)

    def options(self, parsed: argparse.Namespace) -> dict[str, Any]:
        chosen = {parsed.option: True} if parsed.option else {}
        return {**super().options(parsed), "node": parsed.node, **chosen}


def _node(number: int) -> Node:
    """The node as Fuel has it, whose client is slow to import and needed by no other command."""
    found: Node = importlib.import_module("octane.fuel").connect().node(number)
    return found


class RollbackCommand(StageCommand):
    """Base of the commands that take a stage back."""

    runs = Rollback


class RollbackEnv(RollbackCommand):
    """Give the seed up: its nodes are spare again, the environment is deleted, the original never noticed it

    After --node-by-node its controller is the original's again: installed anew with the original's release, a member of
    its clusters.
    """

    stage_name = "upgrade-env"
    examples = ("octane rollback-env 1", "octane rollback-env 1 --test")

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("original", metavar="ENV", help="number of the original environment")

    def options(self, parsed: argparse.Namespace) -> dict[str, Any]:
        return {"original": environment_id(parsed.original, "ENV")}


class RollbackDb(RollbackCommand, FencedCommand):
    """Let the original take writes again, its databases as they were, and empty the seed's

    The original comes first and needs nothing of the seed for it. What of the seed does not answer is named in the end,
    and the same command finishes the rest.
    """

    stage_name = "upgrade-db"
    examples = ("octane rollback-db 2", "octane rollback-db 2 --test", "octane rollback-db 2 --fenced node-5")


class RollbackControl(RollbackCommand, FencedCommand):
    """Give the addresses back to the original's controllers, which take writes again with their databases as they were

    What was written to the seed since the switch is kept in files, whose names are told: things that users know, and
    every row. The seed is isolated again and empty, and can be upgraded to once more. Where no controller of the seed
    is left, state that of each: what was written is on their disks then.
    """

    stage_name = "upgrade-control"
    examples = (
        "octane rollback-control 2",
        "octane rollback-control 2 --test",
        "octane rollback-control 2 --fenced node-5",
        "octane rollback-control 2 --fenced node-4 --fenced node-5 --fenced node-6",
    )

    def stages_of(self, parsed: argparse.Namespace) -> tuple[str, ...]:
        # The second can only be looked at when the first is done.
        return (self.stage_name,) if parsed.test else (self.stage_name, RollbackDb.stage_name)


class CleanupEnv(SeedCommand):
    """Remove stale records of hosts that are in neither environment, put temporary settings back

    The keys of Keystone that the seed's controllers had before they got the original's are removed there as well. It
    says that the upgrade stays: after it there is no `octane rollback-control`.
    """

    stage_name = "cleanup-env"
    examples = ("octane cleanup-env 2", "octane cleanup-env 2 --test")


class CleanupFuel(StageCommand):
    """Put this Fuel master back to what it was before `octane prepare`, byte for byte

    The Salt master and the nodes' minions run on if they ran before, with their configuration of then. What stays is
    /var/lib/octane, on purpose: the journal, which `octane status` goes on to show, and pristine copies; and on nodes
    /var/lib/octane-node, with the rows that a rollback kept.
    """

    stage_name = "cleanup-fuel"
    examples = ("octane cleanup-fuel", "octane cleanup-fuel --test")

    def before(self, console: Console, test: bool) -> bool:
        """The last step takes away what orchestrations need: a finished one cannot be run again, and needs not; one
        that died after it gets it back first."""
        if _salt_config().path().exists():
            return True
        with Journal.open_to_read(settings.state_dir()) as journal:
            done = journal.runs.last_done(MASTER_ID, self.stage_name)
            is_done = stages.is_done(journal, MASTER_ID, self.stage_name)
        if done and is_done:
            if not _deconfigure_salt(console, test):
                when = time.strftime("%Y-%m-%d %H:%M", time.localtime(done.ended))
                told = f"nothing to do, and nothing was done: this master was cleaned up on {when}"
                console.print(f"{self.stage_name}: {told}", highlight=False)
            return False
        return _configure_salt(console, test)

    def after(self, console: Console, test: bool) -> None:
        _deconfigure_salt(console, test)


def _salt_config() -> ModuleType:
    """Imported when needed: Fuel's client, which comes along, is slow to import and of no use to other commands."""
    return importlib.import_module("octane.procedure.salt_config")


def _configure_salt(console: Console, test: bool) -> bool:
    """Salt itself, without which there are no orchestrations; whether one can be run now.

    In a dry run on a master that was never prepared there is nothing that could be asked.
    """
    changes = _salt_config().configure_salt(progress=lambda text: console.print(text, highlight=False), test=test)
    if not (test and changes):
        return True
    console.print(f"→ Configure Salt  would be done: {', '.join(sorted(changes))}", highlight=False)
    console.print("  What comes after that cannot be told before it is done.", highlight=False)
    return False


def _deconfigure_salt(console: Console, test: bool) -> bool:
    """The Salt master runs as before `prepare`; whether there was something to do for it."""
    changes = _salt_config().deconfigure_salt(progress=lambda text: console.print(text, highlight=False), test=test)
    if test and changes:
        console.print(f"→ Salt runs as before  would be done: {', '.join(sorted(changes))}", highlight=False)
    return bool(changes)


def _rate(value: str) -> int:
    """Bytes, with K, M or G for powers of 1024; 0 says that there is no limit.

    :raises argparse.ArgumentTypeError: it is no such number
    """
    match = re.fullmatch(r"(0|[1-9]\d{0,11})([KMG]?)", value)
    if not match:
        raise argparse.ArgumentTypeError(f"{value!r} is not a number of bytes, such as 500K or 20M")
    return int(match[1]) << {"": 0, "K": 10, "M": 20, "G": 30}[match[2]]


def _node_id(value: str) -> int:
    """Fuel's number of a node, with or without ``node-`` before it."""
    number = value.removeprefix("node-")
    if not (number.isascii() and number.isdigit()) or int(number) < 1:
        raise BadInput(f"NODE must be the number of a node (see `fuel2 node list`), not {value!r}")
    return int(number)
