"""The orchestrations as they are shipped: every step can be begun, finished by another run, and taken back or not."""

import ast
from dataclasses import fields

import pytest

from octane.definition import Definition
from octane.step import LibraryStep, NodeStep, load
from tests.saltfiles import SALT, orchestration


def named(path):
    return str(path.relative_to(SALT / "upgrade").with_suffix(""))


STEPS = [step for path in sorted(SALT.glob("upgrade/**/*.sls")) for step in orchestration(named(path))]


def test_the_state_takes_all_that_a_definition_knows():
    """What its signature lacks Salt refuses when the orchestration runs."""
    (signature,) = [
        statement.args
        for statement in ast.parse((SALT / "_states" / "octane.py").read_text()).body
        if isinstance(statement, ast.FunctionDef) and statement.name == "step"
    ]
    known = {field.name for field in fields(Definition)} - {"sentence", "targets", "side"} | {"tgt", "name"}
    assert {argument.arg for argument in signature.args} == known


@pytest.mark.parametrize("definition", STEPS, ids=[definition.step for definition in STEPS])
def test_a_step_that_a_killed_run_left_half_done_can_be_done_again(definition):
    step = load(definition)
    assert isinstance(step, NodeStep) or type(step).apply is not LibraryStep.apply
