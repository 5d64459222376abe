"""A deployer that installs nothing: every call takes a moment and succeeds, unless a failure was ordered."""

from __future__ import annotations

import threading
from typing import Any

from lab.nailgun.deployer import Errors, Progress
from lab.nailgun.faults import Faults

STEPS = (25, 50, 75, 100)


class FakeDeployer:
    """Takes ``seconds`` for each call; ``faults`` says which nodes fail."""

    def __init__(self, seconds: float = 1.0, faults: Faults | None = None) -> None:
        self.seconds = seconds
        self.faults = faults or Faults(None)
        self.closing = threading.Event()

    def provision(self, nodes: list[dict[str, Any]], progress: Progress) -> Errors:
        """Pretend to install the operating system."""
        return self._pretend([node["uid"] for node in nodes], "provision", progress)

    def deploy(self, facts: list[dict[str, Any]], progress: Progress) -> Errors:
        """Pretend to deploy by facts."""
        return self._pretend([fact["uid"] for fact in facts], "deploy", progress)

    def run_tasks(self, facts: list[dict[str, Any]], tasks: list[str], progress: Progress) -> Errors:
        """Pretend to run tasks, of which no percentage is told."""
        return self._pretend([fact["uid"] for fact in facts], "deploy", progress, tells=False)

    def erase(self, uids: list[str]) -> None:
        """Nothing was installed, but it takes its time all the same."""
        self.closing.wait(self.seconds)
        failing = [f"node-{uid}" for uid in uids if self.faults.take(uid, "erase")]
        if failing:
            raise RuntimeError(f"erase was told to fail on {', '.join(failing)}")

    def _pretend(self, uids: list[str], what: str, progress: Progress, tells: bool = True) -> Errors:
        failing = {uid: self.faults.take(uid, what) for uid in dict.fromkeys(uids)}
        for percent in STEPS:
            self.closing.wait(self.seconds / len(STEPS))
            for uid in failing:
                progress(uid, percent if tells else None)
        return {uid: f"{what} was told to fail" if ordered else None for uid, ordered in failing.items()}
