"""Every shape of an error body (Nailgun 7.0) becomes one sentence of the right kind."""

from dataclasses import dataclass

import pytest

from octane.errors import Failed, Refused
from octane.fuel import errors


@dataclass
class Reply:
    status_code: int
    text: str


@pytest.mark.parametrize(
    ("reply", "kind", "reason"),
    [
        (Reply(404, '{"message": "Cluster not found", "errors": []}'), errors.NotFound, "Cluster not found"),
        (Reply(404, "not found"), errors.NoSuchUrl, "no such URL"),
        (Reply(405, "None"), errors.MethodNotAllowed, "no reason given"),
        (Reply(500, "Unexpected exception, please check logs"), errors.ServerError, "please check logs"),
        (Reply(502, "<html>\n<head>bad gateway</head>"), errors.ServerError, "<html>"),
        (Reply(409, '{"message": "Environment with this name already exists"}'), errors.Conflict, "already exists"),
        (Reply(403, '{"message": "not now", "errors": []}'), errors.Forbidden, "not now"),
        (Reply(400, '{"message": "", "errors": []}'), errors.BadRequest, "no reason given"),
        (Reply(418, "teapot"), errors.FuelError, "teapot"),
    ],
)
def test_kind_and_reason(reply, kind, reason):
    error = errors.from_response(reply, "PUT clusters/2/changes")
    assert type(error) is kind
    assert isinstance(error, Failed)
    assert reason in str(error)
    assert "PUT clusters/2/changes" in str(error)


def test_only_the_first_line_of_a_schema_violation_is_told():
    text = "{\"message\": \"'name' is a required property\\n\\nFailed validating 'required' in schema:\\n {}\"}"
    assert errors.reason_of(text) == "'name' is a required property"


def test_an_empty_401_is_about_credentials():
    error = errors.from_response(Reply(401, ""), "GET nodes/")
    assert isinstance(error, Refused)
    assert error.exit_code == 3
