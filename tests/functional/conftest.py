"""Daemons that functional tests share."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from tests.functional.real_databases import STARTS, Cloud
from tests.functional.salt_master import ROOT, TOY_TREE, Master

QUICK = {"enable_fqdns_grains": False, "gather_job_timeout": 3, "timeout": 5}


@pytest.fixture(scope="session")
def salt_daemons(salt_factories, tmp_path_factory):
    """One master and the minion node-1, started once."""
    home = tmp_path_factory.mktemp("octane")
    (home / "world").mkdir()
    os.environ["TOY_WORLD"] = str(home / "world")
    daemon = salt_factories.salt_master_daemon(
        "toy-master",
        overrides={
            **QUICK,
            "worker_threads": 3,
            "file_roots": {"base": [str(TOY_TREE), str(ROOT / "salt")]},
            "octane": {"state_dir": str(home / "state")},
            "engines_dirs": [str(ROOT / "salt" / "_engines")],
            "engines": [{"octane_progress": {}}],
        },
    )
    minion = daemon.salt_minion_daemon("node-1", overrides={**QUICK, "random_startup_delay": 0})
    with daemon.started(), minion.started():
        master = Master(daemon, minion, home / "state", home / "world")
        synced = master.run("saltutil.sync_all")
        assert synced.returncode == 0, synced.stderr
        yield master
    del os.environ["TOY_WORLD"]


@pytest.fixture
def salt_master(salt_daemons):
    """The running master with an empty journal and an empty world."""
    salt_daemons.begin_anew()
    return salt_daemons


@pytest.fixture(scope="module")
def in_memory():
    """A folder in memory where that is possible: a schema of a hundred tables waits for the disk at each of them."""
    root = Path(tempfile.mkdtemp(prefix="octane-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))
    yield root
    shutil.rmtree(root)


@pytest.fixture(scope="module")
def clouds(in_memory):
    """Clouds by release, each made when it is first asked for."""
    made: dict[str, Cloud] = {}
    root = in_memory

    def cloud(release):
        if release not in made:
            made[release] = Cloud(release, root / release)
            made[release].load()
        return made[release]

    yield cloud
    for one in made.values():
        one.server.stop()


@pytest.fixture
def planted(clouds):
    """Plants SQL in a database of the cloud that a hop leads from, and takes it out again."""
    touched = []

    def plant(hop, database, sql):
        cloud = clouds(STARTS[hop])
        touched.append((cloud, database))
        cloud.plant(database, sql)
        return cloud

    yield plant
    for cloud, database in touched:
        cloud.restore(database)
