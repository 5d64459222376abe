"""Whole labs: real hosts, a real cloud, and the commands of an operator."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from demo.commands import MASTER, CommandFailed, Commands
from tests import busy
from tests.integration import observe

STATES = Path("/var/lib/octane-lab-tests")


def pytest_collection_modifyitems(items):
    """Labs need root; and one that is up takes hours of nobody's time if a test hangs, so each has its own limit."""
    if os.geteuid() != 0:
        for item in items:
            if item.path.is_relative_to(Path(__file__).parent):
                item.add_marker(pytest.mark.skip(reason="a lab needs root"))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Remember the first test of a procedure that failed, and tell what only this moment shows."""
    report = (yield).get_result()
    if report.failed and item.get_closest_marker("procedure"):
        item.parent.stash.setdefault(FAILED, item.name)
    if report.failed:
        report.sections.append((THIS_MACHINE, "\n".join(busy.report())))
        if lab := item.funcargs.get("lab"):
            report.sections += salt_logs(lab)


def salt_logs(lab):
    """The ends of what Salt's master and the nodes' minions wrote, as sections of a report; never raises."""
    try:
        hosts = [host["host"] for host in observe.hosts(lab) if host["power"] == "on"]
        return [(f"Salt on {host}", salt_log(lab, host)) for host in hosts]
    except UNANSWERED as error:
        return [("Salt", f"the lab does not tell its hosts: {error}")]


def salt_log(lab, host):
    log = "/var/log/salt/master" if host == MASTER else "/var/log/salt/minion"
    try:
        done = lab.run(lab.on(host, "tail", "-n", str(LOG_LINES), log), check=False, timeout=LOG_TIMEOUT)
    except UNANSWERED as error:
        return str(error)
    return done.stdout or done.stderr


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter):
    """Say once more what the machine did when a test failed: of a long log only the end may be kept."""
    for report in terminalreporter.stats.get("failed", []) + terminalreporter.stats.get("error", []):
        for title, text in report.sections:
            if title == THIS_MACHINE:
                terminalreporter.section(f"This machine when {report.nodeid} failed")
                terminalreporter.write_line(text)


THIS_MACHINE = "This machine"
LOG_LINES = 40
LOG_TIMEOUT = 20
UNANSWERED = (CommandFailed, OSError, subprocess.TimeoutExpired)


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


@pytest.fixture(scope="module")
def before(lab):
    """What the users own before anything is touched."""
    path = lab.state / "before.json"
    lab.lab("compare", "--save", str(path))
    return path


@pytest.fixture(scope="module")
def untouched(lab):
    """The files of the Fuel master before it was prepared."""
    return observe.files(lab, "fuel", *observe.MASTER_FOLDERS)
