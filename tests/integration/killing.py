"""Stages that are killed on purpose, what the journal has of them, and what must be true afterwards."""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from demo.commands import MASTER, Commands
from lab.wait import until
from tests.integration import observe

OLD, NEW, COMPUTE = "node-1", "node-2", "node-3"
"""Hosts of the small lab."""
SEED = "2"
STAGE_WITHIN = 1200
ROOT = Path(__file__).parents[2]
HOP = yaml.safe_load((ROOT / "octane/path/hops/antelope-caracal.yaml").read_text())
DATABASES = [name for service in HOP["services"].values() for name in service["databases"]]
EXPENDABLE = {
    f"{database}.{table}"
    for known in (HOP["expendable"], HOP["tolerated"])
    for database, tables in known.items()
    for table in tables
}
COMPUTES = "nova.compute_nodes"
"""What every compute writes its free resources to, from the moment the original takes writes again."""
COMPUTE_ROWS = "SELECT id, uuid, host, hypervisor_hostname, created_at, deleted FROM nova.compute_nodes ORDER BY id"


@contextlib.contextmanager
def running(lab: Commands, *stage: str) -> Iterator[subprocess.Popen[str]]:
    """A stage under way; its output can be read line by line. It is gone when the block is left."""
    argv = lab.on(MASTER, "octane", *stage)
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, bufsize=1) as process:
        try:
            yield process
        finally:
            process.kill()


def until_runs(lab: Commands, host: str, pattern: str) -> None:
    """Wait until a process of this command line is seen on a host."""
    seen = lab.on(host, "pgrep", "-f", pattern)
    until(lambda: lab.run(seen, check=False).returncode == 0, 60, f"{pattern} on {host}")


def until_said(process: subprocess.Popen[str], sentence: str) -> None:
    """Read a stage's output until it tells that the step with SENTENCE is done; fails when the stage ends first."""
    assert process.stdout is not None
    guard = threading.Timer(STAGE_WITHIN / 2, process.kill)
    guard.start()
    said = []
    for line in process.stdout:
        said.append(line)
        if sentence in line:
            guard.cancel()
            return
    guard.cancel()
    raise AssertionError(f"{sentence!r} was not reached:\n" + "".join(said))


def kill_everything(lab: Commands) -> None:
    """SIGKILL to all of the stage on the master: the command, and the orchestration that it started."""
    lab.run(lab.on(MASTER, "pkill", "-KILL", "-f", "bin/octane |salt-run "), check=False)


def kill_after(lab: Commands, stage: str, sentence: str) -> None:
    """Run a stage and kill all of it once it told that the step with SENTENCE is done."""
    with running(lab, stage, SEED) as process:
        until_said(process, sentence)
        kill_everything(lab)


def stage_of(lab: Commands, name: str) -> dict[str, Any]:
    """What the journal has of a stage."""
    told = json.loads(lab.octane("status", SEED, "-f", "json").stdout)
    return next(one for upgrade in told["upgrades"] for one in upgrade["stages"] if one["stage"] == name)


def applied(lab: Commands, stage: str) -> dict[str, int]:
    """How often each step of a stage was tried to be done, looking whether it still holds apart, by its sentence."""
    return {
        step["sentence"]: sum(attempt["act"] == "apply" for attempt in step["attempts"])
        for step in stage_of(lab, stage)["steps"]
    }


def finishes(lab: Commands, *stage: str) -> None:
    """The same command again ends well, and once more finds nothing to do."""
    lab.octane(*stage, timeout=STAGE_WITHIN)
    assert "nothing to do: all" in lab.octane(*stage).stdout


def answers(lab: Commands, host: str) -> None:
    """One controller of the small lab alone answers for the addresses that both have, and the APIs behind it."""
    other = NEW if host == OLD else OLD
    for address in observe.addresses(lab, host, "br-mgmt"):
        heard = observe.who_has(lab, COMPUTE, "br-mgmt", address)
        mine, theirs = (observe.mac(lab, one, "br-mgmt") for one in (host, other))
        assert mine in heard and theirs not in heard, (address, heard)
    observe.until_reads_are_answered(lab)


def writes_are_taken(lab: Commands) -> None:
    """For five seconds every API takes every write."""
    path = lab.state / "writes.jsonl"
    lab.lab("probe", "--seconds", "5", "--output", str(path))
    writes = {api: kinds["write"] for api, kinds in lab.probe_summary(path)["apis"].items()}
    assert all(found["acknowledged"] for found in writes.values()), writes
    assert all(found["failed_seconds"] == found["refused_seconds"] == 0 for found in writes.values()), writes


BY_LOG = (f"by the log of {OLD} since ",)
WITHOUT_LOG = (f"by wsrep_last_committed of {OLD}", "by the checksum of every table")
"""How a stage that is taken back may have compared the original with the freeze."""


@contextlib.contextmanager
def taken_back_as_it_was(lab: Commands, by: tuple[str, ...] = BY_LOG) -> Iterator[None]:
    """The block takes the database stage back: afterwards the original is as it was, and the seed is empty.

    Before anybody could write, nothing was another than at the freeze, as the journal keeps it; what is seen from
    outside is seen when services have begun to write again.
    """
    frozen, computes = observe.checksums(lab, OLD, DATABASES), observe.query(lab, OLD, COMPUTE_ROWS)
    yield
    steps = stage_of(lab, "upgrade-db")["steps"]
    (compared,) = [seen["data"] for one in steps if one["step"] == "db.frozen" for seen in one["evidence"]]
    assert compared.get("moved") == [] and compared.get("compared", "").startswith(by), compared
    # What is told of one that only some columns of may change has these behind its name.
    assert {name.partition(" ")[0] for name in compared.get("expendable_moved", ())} <= EXPENDABLE
    now = observe.checksums(lab, OLD, DATABASES)
    assert set(observe.differing(frozen, now)) <= EXPENDABLE | {COMPUTES}
    assert observe.query(lab, OLD, COMPUTE_ROWS) == computes
    assert observe.checksums(lab, NEW, DATABASES) == {}
    accounts = observe.query(lab, OLD, "SELECT user FROM mysql.user")
    assert [account for account in accounts if "octane" in account] == []
