"""What a replica costs inside the window is read from the product's journal, by an operator's commands alone."""

import json
from types import SimpleNamespace

import pytest

from lab.bench import replica
from lab.bench.ways import BenchError


class Master:
    """The Fuel master's command line; each run of the stage takes a second longer inside the window."""

    def __init__(self, seed=2):
        self.seed, self.ran = seed, []

    def run(self, argv, timeout=60):
        self.ran.append(" ".join(argv))
        runs = sum(words.startswith("octane upgrade-db") for words in self.ran)
        seconds = {"db.replicated": 40, "db.frozen": 1.5, "db.caught_up": runs, "db.migrated": 20}
        steps = [{"step": name, "seconds": value} for name, value in seconds.items()]
        stages = [{"stage": "upgrade-env", "steps": []}, {"stage": "upgrade-db", "steps": steps}]
        return SimpleNamespace(stdout=json.dumps({"upgrades": [{"seed": self.seed, "stages": stages}]}))


def test_the_window_of_each_run_is_told_and_all_but_the_last_are_taken_back():
    master = Master()
    assert replica.windows(master, 3, lambda text: None) == [2.5, 3.5, 4.5]
    changing = [words for words in master.ran if "status" not in words]
    run, back = "octane upgrade-db 2 --way replica", "octane rollback-db 2"
    assert changing == [run, back, run, back, run]


def test_without_a_seed_there_is_nothing_to_measure():
    with pytest.raises(BenchError, match="octane upgrade-env"):
        replica.windows(Master(seed=None), 1, lambda text: None)
