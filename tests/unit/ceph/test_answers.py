"""What Ceph's commands print."""

import pytest

from octane.ceph import answers
from octane.errors import BadInput
from tests.unit.ceph.recorded import files


def test_a_blank_line_before_json_is_nothing():
    assert answers.document('\n{"addr": "10.0.0.1:6789\\/0"}') == {"addr": "10.0.0.1:6789/0"}


def test_what_is_no_json_is_shown():
    with pytest.raises(BadInput, match="dumped all in format"):
        answers.document("dumped all in format json\n{}")


def test_daemons_that_are_asked_together():
    assert answers.each('osd.0: { "version": "a"}\nosd.10: {\n    "version": "b"\n}\nmon.node-1: ceph version 1\n') == {
        "osd.0": {"version": "a"},
        "osd.10": {"version": "b"},
        "mon.node-1": "ceph version 1",
    }


@pytest.mark.parametrize("path", files("*.json"))
def test_every_recorded_document_is_read(path):
    assert answers.document(path.read_text()) is not None


@pytest.mark.parametrize("path", files("tell_*.txt"))
def test_every_recorded_answer_of_daemons_is_read(path):
    assert all("ceph version" in str(said) for said in answers.each(path.read_text()).values())
