"""The command line leaves nothing behind outside its own state directory."""

import os
import subprocess
import sys


def test_the_home_of_root_stays_as_it_was(tmp_path):
    home, state = tmp_path / "home", tmp_path / "state"
    home.mkdir()
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "OCTANE_STATE_DIR": str(state)}
    command = [sys.executable, "-c", "from octane.cli.app import main; main(['--help'])"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert "upgrade-env" in done.stdout, done.stderr
    assert list(home.rglob("*")) == []
    # stevedore keeps nothing for a Python below /tmp.
    assert sys.executable.startswith("/tmp") or any((state / "cache").rglob("*"))
