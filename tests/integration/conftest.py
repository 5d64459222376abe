"""Whole labs: real hosts, a real cloud, and the commands of an operator."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from demo.commands import Commands

STATES = Path("/var/lib/octane-lab-tests")


def pytest_collection_modifyitems(items):
    """Labs need root; and one that is up takes hours of nobody's time if a test hangs, so each has its own limit."""
    if os.geteuid() != 0:
        for item in items:
            if item.path.is_relative_to(Path(__file__).parent):
                item.add_marker(pytest.mark.skip(reason="a lab needs root"))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Remember the first test of a procedure that failed."""
    report = (yield).get_result()
    if report.failed and item.get_closest_marker("procedure"):
        item.parent.stash.setdefault(FAILED, item.name)


def pytest_runtest_setup(item):
    """The tests of a procedure build on each other: after a failure the rest would tell nothing."""
    if item.get_closest_marker("procedure") and FAILED in item.parent.stash:
        pytest.skip(f"{item.parent.stash[FAILED]} failed before")


FAILED = pytest.StashKey[str]()


@pytest.fixture(scope="module")
def lab(request):
    """The commands of a lab with the profile that the module names, freshly up with the product installed."""
    commands = Commands(STATES / request.module.PROFILE)
    commands.lab("down", timeout=120)
    try:
        commands.run(commands.up(request.module.PROFILE), timeout=1500)
        commands.run(commands.install())
        yield commands
    finally:
        commands.lab("down", timeout=120)
        shutil.rmtree(commands.state, ignore_errors=True)
