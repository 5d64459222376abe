"""What a failed test of a lab tells of its machine names the process that had it."""

import subprocess
import sys

import pytest

from tests import busy


@pytest.fixture
def process():
    """One that takes a processor; without it an idle machine has nothing to tell."""
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as started:
        yield started
        started.kill()


def test_a_process_that_takes_a_processor_is_among_the_busiest(process):
    found = {pid: (percent, words) for percent, pid, words in busy.busiest()}
    percent, words = found[process.pid]
    assert percent > 1 and "while True: pass" in words


def test_load_and_processes_are_lines_of_one_report(process):
    lines = busy.report()
    assert lines[0].startswith("load average ") and "processors" in lines[0]
    assert any(" %  " in line and "while True: pass" in line for line in lines)
