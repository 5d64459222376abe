"""Tokens of the lab's Nailgun, as Keystone on a Fuel master gives them."""

import json

import pytest

from lab.nailgun.auth import Keystone
from lab.nailgun.errors import ApiError
from tests.unit.lab.nailgun_master import CREDENTIALS, Master


def token_of(keystone):
    return keystone.issue(CREDENTIALS)["access"]["token"]["id"]


def test_a_token_outlives_a_restart_of_nailgun(tmp_path):
    """A client that works on for hours must not be thrown out because workers were restarted meanwhile."""
    file = tmp_path / "state.json.tokens"
    token = token_of(Keystone(file=file))
    again = Keystone(file=file)
    assert again.accepts(token)
    assert again.accepts(token_of(again))
    assert not again.accepts(token[:-1])


def test_a_token_is_nowhere_in_the_file(tmp_path):
    file = tmp_path / "tokens"
    token = token_of(Keystone(file=file))
    assert token not in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600


def test_an_expired_token_stays_expired(tmp_path):
    file = tmp_path / "tokens"
    keystone = Keystone(lifetime=-1, file=file)
    first = token_of(keystone)
    assert not Keystone(file=file).accepts(first)
    token_of(keystone)
    assert len(json.loads(file.read_text())) == 1


@pytest.mark.parametrize("content", ["", "{", "[]", '{"a": null}'])
def test_a_file_of_tokens_that_cannot_be_read_is_no_file(tmp_path, content):
    file = tmp_path / "tokens"
    file.write_text(content)
    keystone = Keystone(file=file)
    assert keystone.accepts(token_of(keystone))


def test_a_token_buys_another_one():
    keystone = Keystone()
    body = {"auth": {"tenantName": "admin", "token": {"id": token_of(keystone)}}}
    assert keystone.accepts(keystone.issue(body)["access"]["token"]["id"])
    body["auth"]["passwordCredentials"] = {"username": "admin", "password": "wrong"}
    with pytest.raises(ApiError) as refused:
        keystone.issue({"auth": {**body["auth"], "token": {"id": "token0"}}})
    assert refused.value.status == 401


@pytest.mark.parametrize(
    ("raw", "message"), [(b"", "Empty request received"), (b"{", "Invalid json received"), (b"{}", "")]
)
def test_what_is_no_request_for_a_token(raw, message):
    answer = Master().application.handle("POST", "/keystone/v2.0/tokens", {}, raw)
    assert (answer.status, json.loads(answer.content)["message"]) == (400, message)
