"""The orchestrations as they are shipped: every step can be begun, finished by another run, and taken back or not."""

from pathlib import Path

import pytest
import yaml

from octane.definition import Definition
from octane.step import LibraryStep, NodeStep, load

FOLDER = Path(__file__).resolve().parents[2] / "salt" / "upgrade"


def steps():
    for path in sorted(FOLDER.glob("*.sls")):
        for sentence, states in yaml.safe_load(path.read_text()).items():
            for name, arguments in states.items():
                if name == "octane.step":
                    given = {key: value for entry in arguments for key, value in entry.items()}
                    yield pytest.param(Definition.from_state(sentence, given), id=given["step"])


@pytest.mark.parametrize("definition", list(steps()))
def test_a_step_that_a_killed_run_left_half_done_can_be_done_again(definition):
    step = load(definition)
    assert isinstance(step, NodeStep) or type(step).apply is not LibraryStep.apply
