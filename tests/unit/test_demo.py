"""A demo begins anew, and says what goes for it."""

import pytest

from demo.__main__ import Demo
from demo.commands import CommandFailed, Commands


@pytest.fixture
def demo(tmp_path):
    """A demo whose octane-lab is a script that writes down how it was called; `status` ends as told."""

    def make(status):
        program = tmp_path / "bin" / "octane-lab"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\necho "$3" >> {tmp_path}/called\n[ "$3" != status ] || exit {status}\n')
        program.chmod(0o755)
        return Demo(Commands(tmp_path / "lab", environment=tmp_path), "small")

    return make


@pytest.mark.parametrize("status", [0, 1])
def test_that_a_lab_goes_is_said_in_one_line_before_it_does(demo, tmp_path, capsys, status):
    demo(status).begin_anew()
    (said,) = capsys.readouterr().out.splitlines()
    assert str(tmp_path / "lab") in said and "taken down" in said
    assert (tmp_path / "called").read_text().split() == ["status", "down"]


def test_where_there_is_no_lab_nothing_is_said(demo, capsys):
    demo(2).begin_anew()
    assert capsys.readouterr().out == ""


def test_a_lab_that_cannot_be_taken_down_ends_the_demo(demo, tmp_path):
    made = demo(0)
    (tmp_path / "bin" / "octane-lab").write_text("#!/bin/sh\nexit 1\n")
    with pytest.raises(CommandFailed, match="ended with 1"):
        made.begin_anew()
