"""What the server needs of the thing that installs hosts: Cobbler, Astute and Puppet on a real Fuel master."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, Protocol

Progress = Callable[[str, int | None], None]
"""Called with a node's uid and a percentage, or None for work without one, any number of times while a call runs."""

Errors = dict[str, str | None]
"""uid -> what went wrong, or None: one entry for each node asked about."""


class Deployer(Protocol):
    """Installs hosts. Calls block; the server makes them in its worker threads, several at a time perhaps."""

    def provision(self, nodes: list[dict[str, Any]], progress: Progress) -> Errors:
        """Install the operating system. ``nodes``: entries of the provisioning facts (``uid``, ``hostname`` ...)."""

    def deploy(self, facts: list[dict[str, Any]], progress: Progress) -> Errors:
        """Deploy by facts, one element per node and role (see ``facts``), in the order of their priorities."""

    def run_tasks(self, facts: list[dict[str, Any]], tasks: list[str], progress: Progress) -> Errors:
        """Run the named deployment tasks only."""

    def erase(self, uids: list[str]) -> None:
        """Back to the bootstrap: nodes deleted, their environment reset, a deployment stopped. May be empty."""


def load(name: str, **arguments: Any) -> Deployer:
    """The deployer named ``package.module:Class``, made with the given arguments (ImportError, AttributeError)."""
    module, _, attribute = name.partition(":")
    made: Deployer = getattr(importlib.import_module(module), attribute)(**arguments)
    return made
