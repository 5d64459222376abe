"""What the operator reads when something goes wrong."""

import pytest

from octane import errors


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (errors.OctaneError, 1),
        (errors.Failed, 1),
        (errors.WaitTimeout, 1),
        (errors.InvariantBroken, 1),
        (errors.BadInput, 2),
        (errors.Refused, 3),
        (errors.LockLost, 3),
        (errors.Interrupted, 130),
    ],
)
def test_each_kind_has_its_exit_code(kind, code):
    assert kind("no").exit_code == code


def test_a_message_names_node_command_reason_and_what_to_do():
    error = errors.NodeFailed(
        "node-2", "octane_api.read_only", "no answer within 60 s", next_command="octane upgrade-db 2"
    )
    assert str(error) == "node-2: octane_api.read_only: no answer within 60 s; next: `octane upgrade-db 2`"
    assert error.exit_code == 1


def test_what_is_not_known_is_left_out():
    assert str(errors.Failed("it broke")) == "it broke"
    assert errors.Failed("it broke", exit_code=7).exit_code == 7
