"""A cloud comes up and its control plane is upgraded while clients use it; then what happened is told."""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass, field

from demo.commands import MASTER, CommandFailed, Commands, default_state

ORIGINAL = "1"
NO_LAB = 2
"""What `octane-lab status` exits with where there is none."""

SPARE_NODES = {"reference": ("4", "5", "6"), "small": ("2",)}


def shown(argv: list[str]) -> str:
    """A command line as an operator would type it: on the master, or with octane-lab."""
    return " ".join(argv[argv.index("--") + 1 :] if "--" in argv else ["octane-lab", *argv[3:]])


@dataclass
class Demo:
    """One run: the lab's commands, and how long each part took in seconds."""

    commands: Commands
    profile: str
    took: list[tuple[str, float]] = field(default_factory=list)

    def part(self, title: str, argv: list[str]) -> None:
        """Run one command with its output live, under a title. Raises CommandFailed."""
        print(f"\n== {title}\n   $ {shown(argv)}", flush=True)
        started = time.monotonic()
        self.commands.live(argv)
        self.took.append((title, time.monotonic() - started))

    def stage(self, title: str, *arguments: str) -> None:
        self.part(title, self.commands.on(MASTER, "octane", *arguments))

    def run(self) -> None:
        """The whole demo. Raises CommandFailed at the first thing that fails."""
        commands = self.commands
        self.begin_anew()
        self.part("The old cloud comes up", commands.up(self.profile))
        self.part("The product is installed on the Fuel master", commands.install())
        results = commands.state / "demo"
        results.mkdir(exist_ok=True)
        before, probed = results / "before.json", results / "probe.jsonl"
        self.part("What its users own is written down", commands.argv("compare", "--save", str(before)))
        with commands.probe(probed):
            self.upgrade()
        self.part("What its users own is compared", commands.argv("compare", "--against", str(before)))
        acknowledged = commands.argv("probe", "--lookup", str(probed), "--remove")
        self.part("All that was acknowledged to clients meanwhile is looked up", acknowledged)
        self.part("What clients noticed", commands.argv("probe", "--summary", str(probed)))
        self.tell()

    def begin_anew(self) -> None:
        """Take the lab of before down, having said so."""
        if self.commands.lab("status", check=False).returncode != NO_LAB:
            state = self.commands.state
            print(f"The lab in {state} is taken down with all that is in it: a demo begins anew.", flush=True)
        self.commands.lab("down")

    def upgrade(self) -> None:
        """The procedure, by the commands of an operator."""
        self.stage("The Fuel master and the nodes are prepared", "prepare")
        nodes = SPARE_NODES[self.profile]
        self.stage("New controllers are installed beside the old ones", "upgrade-env", ORIGINAL, *nodes)
        seed = self.seed()
        self.stage("The databases move to the new controllers", "upgrade-db", seed)
        self.stage("The new controllers take over", "upgrade-control", seed)
        self.stage("Temporary settings and stale records go", "cleanup-env", seed)

    def seed(self) -> str:
        """The id of the environment that upgrade-env made."""
        upgrades = json.loads(self.commands.octane("status", "-f", "json").stdout)["upgrades"]
        return next(str(upgrade["seed"]) for upgrade in upgrades if str(upgrade["original"]) == ORIGINAL)

    def tell(self) -> None:
        """How long it took, and how to go on from here."""
        print("\n== Time")
        for title, seconds in self.took:
            print(f"   {seconds:6.0f} s  {title}")
        print(f"   {sum(seconds for _, seconds in self.took):6.0f} s  in all")
        lab = ".venv/bin/octane-lab"
        print(
            f"\nThe lab is running; the cloud is now served by node {', node '.join(SPARE_NODES[self.profile])}.\n"
            f"  look around   {lab} status\n"
            f"                {lab} shell {MASTER}      then: octane status {self.seed()}\n"
            f"                {lab} exec node-{SPARE_NODES[self.profile][0]} -- crm_mon -1\n"
            "  not run was `octane cleanup-fuel`, which takes what the product added to the Fuel master off it again:\n"
            f"                {lab} exec {MASTER} -- octane cleanup-fuel\n"
            f"  start again   {lab} reset\n"
            f"  take it down  {lab} down"
        )


def main() -> int:
    known = argparse.ArgumentParser(prog="demo", description=__doc__)
    known.add_argument("--profile", choices=sorted(SPARE_NODES), default="reference")
    demo = Demo(Commands(default_state()), known.parse_args().profile)
    try:
        demo.run()
    except CommandFailed as failure:
        print(f"\nThe demo stopped: {failure}", file=sys.stderr)
        print("The lab is left as it is: .venv/bin/octane-lab status, .venv/bin/octane-lab down", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
