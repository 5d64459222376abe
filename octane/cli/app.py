"""`octane`: the program, and what all its commands have in common."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from cliff.app import App
from cliff.command import Command
from cliff.commandmanager import CommandManager

from octane.errors import OctaneError

VERSION = "0.1.0"

DESCRIPTION = "Upgrades an OpenStack cloud deployed by Fuel 6.1 to 7.0 with its workloads running."


EXAMPLES = """examples, in the order of an upgrade:
  octane prepare
  octane upgrade-env 1 4 5 6       environment 1; nodes 4, 5 and 6 become controllers of its seed
  octane upgrade-db 2              2 is the seed that upgrade-env named
  octane upgrade-control 2
  octane upgrade-node 2 2 3        after `octane upgrade-env 1 --node-by-node`: the other controllers, one by one
  octane cleanup-env 2
  octane cleanup-fuel
  octane rollback-db 2             takes a stage back; a failed one says so itself
  octane plan 1                    any time: which ports leave and come, on which nodes, and when
  octane plan waves cloud.json     which computes could go together, and where their guests would be
  octane status 2 --watch          at any time, from any terminal
"""


class OctaneApp(App):
    """Commands are entry points of the group ``octane.commands``."""

    def __init__(self) -> None:
        super().__init__(
            description=DESCRIPTION,
            version=VERSION,
            command_manager=CommandManager("octane.commands"),
            deferred_help=True,
        )

    def build_option_parser(
        self, description: str | None, version: str | None, argparse_kwargs: dict[str, Any] | None = None
    ) -> argparse.ArgumentParser:
        layout = {"epilog": EXAMPLES, "formatter_class": argparse.RawDescriptionHelpFormatter}
        layout.update(argparse_kwargs or {})
        parser: argparse.ArgumentParser = super().build_option_parser(description, version, layout)
        return parser


class OctaneCommand(Command):
    """A command whose help ends with ``examples``, and whose errors are one sentence and an exit code.

    Exit codes: 0 done, 1 failed, 2 wrong input, 3 refused, 130 interrupted.
    """

    examples: tuple[str, ...] = ()

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.formatter_class = argparse.RawDescriptionHelpFormatter
        return parser

    def get_epilog(self) -> str:
        return "\n".join(["examples:", *(f"  {example}" for example in self.examples)])

    def run(self, parsed_args: argparse.Namespace) -> int:
        try:
            return int(super().run(parsed_args))
        except OctaneError as error:
            print(f"octane: {error}", file=sys.stderr)
            return error.exit_code


def main(argv: list[str] | None = None) -> int:
    """Run the command that ARGV (or the command line) names; without one, show what there is."""
    words = sys.argv[1:] if argv is None else argv
    return int(OctaneApp().run(words or ["help"]))


if __name__ == "__main__":
    sys.exit(main())
