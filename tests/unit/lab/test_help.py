"""What octane-lab's help promises is there: the way to the product on a master that is bare after up and reset."""

import re
from pathlib import Path

import pytest

from lab import cli

CHECKOUT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("words", [[], ["up"], ["reset"]])
def test_how_to_install_on_the_master_is_said_and_the_script_is_there(words, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main([*words, "--help"])
    assert ended.value.code == 0
    told = capsys.readouterr().out
    (script,) = re.findall(r'exec fuel -- "\$PWD/(\S+)"', told)
    assert (CHECKOUT / script).stat().st_mode & 0o100
    (option,) = re.findall(r'up (--\S+) "\$PWD"', told)
    args = cli.parser().parse_args(["up", option, str(CHECKOUT)])
    assert args.master_bind == [str(CHECKOUT)]


def test_the_readme_says_the_same():
    told = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    assert 'octane-lab exec fuel -- "$PWD/packaging/install-on-master"' in told
    assert 'octane-lab up --master-bind "$PWD"' in told
