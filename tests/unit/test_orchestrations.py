"""The orchestrations as they are shipped: every step can be begun, finished by another run, and taken back or not."""

import pytest

from octane.step import LibraryStep, NodeStep, load
from tests.saltfiles import SALT, orchestration

STEPS = [step for path in sorted(SALT.glob("upgrade/*.sls")) for step in orchestration(path.stem)]


@pytest.mark.parametrize("definition", STEPS, ids=[definition.step for definition in STEPS])
def test_a_step_that_a_killed_run_left_half_done_can_be_done_again(definition):
    step = load(definition)
    assert isinstance(step, NodeStep) or type(step).apply is not LibraryStep.apply
