"""A real Salt master with one minion, the product's own files served to both, and toy orchestrations beside them."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
TOY_TREE = Path(__file__).parent / "toy_tree"
BIN = Path(sys.executable).parent
COMMAND_SECONDS = 240


@dataclass
class Master:
    """What a test needs: where the configuration, the journal and the toy world are, and the daemons."""

    daemon: Any
    minion: Any
    state_dir: Path
    world: Path

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "TOY_WORLD": str(self.world),
            "SALT_CONFIG_DIR": str(self.daemon.config_dir),
            "PYTHONPATH": str(ROOT),
            "PATH": f"{BIN}:{os.environ['PATH']}",
        }

    def command(self, *words: str) -> list[str]:
        return [str(BIN / "salt-run"), "-c", str(self.daemon.config_dir), "--out=json", *words]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*words),
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )

    def orchestrate(self, name: str, pillar: dict[str, Any] | None = None, **kwargs: Any) -> dict[str, dict[str, Any]]:
        """States by their sentence, as `salt-run state.orchestrate` returned them."""
        words = [f"{key}={value}" for key, value in kwargs.items()]
        return states(self.run("state.orchestrate", name, f"pillar={json.dumps(pillar or {})}", *words))

    def octane(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(BIN / "octane"), *words],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )

    def begin_anew(self) -> None:
        """No journal, an empty world; the daemons go on."""
        shutil.rmtree(self.state_dir, ignore_errors=True)
        shutil.rmtree(self.world, ignore_errors=True)
        self.world.mkdir()
        (self.world / "directory").mkdir()


def states(process: subprocess.CompletedProcess[str]) -> dict[str, dict[str, Any]]:
    """The states in what an orchestration printed, by their sentence."""
    found = json.loads(process.stdout)
    (returned,) = found["data"].values() if "data" in found else found.values()
    assert isinstance(returned, dict), process.stdout + process.stderr
    return {state["__id__"]: state for state in returned.values()}
