"""`octane plan`: from Nailgun's facts before there is a seed, from both sides after, and refused as a whole."""

import json
from types import SimpleNamespace

import pytest
import yaml

import octane.fuel
from octane.cli.app import OctaneApp
from octane.cli.plan import Plan
from octane.errors import BadInput
from octane.journal import Journal
from octane.plan import network
from octane.procedure.networks import UPLINKS
from tests.functional import layouts
from tests.unit.procedure.world import node


class Environment:
    def __init__(self, number, schemes):
        self.number, self.schemes = number, schemes

    def data(self):
        if not self.schemes:
            raise BadInput(f"there is no environment {self.number} on this Fuel master")

    def nodes(self):
        return [node(number, self.number, role) for number, (role, _) in self.schemes.items()]

    def default_facts(self, ids):
        return [{"uid": str(number), "network_scheme": self.schemes[number][1]} for number in ids]


@pytest.fixture
def schemes(monkeypatch, tmp_path):
    monkeypatch.setenv("OCTANE_STATE_DIR", str(tmp_path))
    known = {1: {1: ("controller", layouts.PATCHED), 7: ("compute", layouts.PLAIN)}}
    known[2] = {4: ("controller", layouts.PLAIN), 5: ("controller", layouts.PLAIN)}
    fuel = SimpleNamespace(environment=lambda number: Environment(number, known.get(number)))
    monkeypatch.setattr(octane.fuel, "connect", lambda: fuel)
    return known


def plan(*words):
    command = Plan(OctaneApp(), None)
    return command.run(command.get_parser("octane plan").parse_args(words))


def pair(tmp_path):
    journal = Journal.open(tmp_path)
    return journal, journal.pairs.set_seed(journal.pairs.create(1), 2)


def told(capsys, *words):
    assert plan(*words, "-f", "json") == 0
    return json.loads(capsys.readouterr().out)


def test_before_there_is_a_seed_the_original_s_part_is_shown(schemes, capsys):
    lines = told(capsys, "1")
    assert [(line["node"], line["kind"], line["does"], line["when"]) for line in lines] == [
        ("node-1", "patch", "leaves", "upgrade-control"),
        ("node-1", "port", "leaves", "upgrade-control"),
        ("node-7", "port", "stays", ""),
        ("node-7", "port", "stays", ""),
    ]


def test_either_environment_of_a_pair_shows_both_sides(schemes, capsys, tmp_path):
    with pair(tmp_path)[0]:
        lines = told(capsys, "2")
    assert lines == told(capsys, "1")
    assert {line["side"] for line in lines} == {"original", "seed"}
    assert [line["port"] for line in lines if line["node"] == "node-4"] == [
        *("eth2.101", "eth1"),
        *("oct1", "oct2"),
        *("oct1", "oct2"),
        *("eth2.101", "eth1"),
    ]


def test_what_was_recorded_of_the_seed_counts(schemes, capsys, tmp_path):
    journal, made = pair(tmp_path)
    with journal:
        journal.records.put(made.id, UPLINKS, network.ports([network.Member("node-4", "seed", layouts.BOND)]))
    assert "eth2" in {line["port"] for line in told(capsys, "2") if line["node"] == "node-4"}


def test_lines_for_scripts_and_people(schemes, capsys):
    assert plan("1", "-f", "value", "-c", "node", "-c", "port", "-c", "does") == 0
    assert capsys.readouterr().out.splitlines()[1] == "node-1 eth1 leaves"
    assert plan("1") == 0
    assert "| upgrade-control |" in capsys.readouterr().out
    assert plan("1", "-f", "yaml") == 0
    assert yaml.safe_load(capsys.readouterr().out)[0]["node"] == "node-1"


def test_what_cannot_be_isolated_is_told_with_every_node(schemes, capsys):
    broken = {**layouts.PLAIN, "roles": {**layouts.ROLES, "public/vip": "br-storage"}}
    schemes[1] |= {2: ("controller", broken), 3: ("controller", broken)}
    assert plan("1") == 3
    told = capsys.readouterr().err
    assert "node-2" in told and "node-3" in told and "br-storage" in told


def test_an_environment_without_neutron_is_refused(schemes, capsys):
    schemes[1][1] = ("controller", None)
    assert plan("1") == 3
    assert "node-1: no network_scheme" in capsys.readouterr().err


@pytest.mark.parametrize(("word", "said"), [("x", "ENV must be the number"), ("9", "there is no environment 9")])
def test_what_is_no_environment_is_wrong_input(schemes, capsys, word, said):
    assert plan(word) == 2
    assert said in capsys.readouterr().err


def test_the_help_has_examples_and_formats(schemes, capsys):
    with pytest.raises(SystemExit):
        Plan(OctaneApp(), None).get_parser("octane plan").parse_args(["--help"])
    shown = capsys.readouterr().out
    assert "octane plan 2 -f json" in shown and "Bridges are found by the network roles" in shown
