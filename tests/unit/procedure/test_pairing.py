"""The extension's pairing, imported as a plain file: it runs on Python 2.6 inside Nailgun and here alike."""

import ast
import importlib.util
import re

import pytest

from octane.procedure.addition import SOURCES


@pytest.fixture(scope="module")
def pairing():
    spec = importlib.util.spec_from_file_location("pairing_under_test", SOURCES / "pairing.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


ALL = {"public", "management", "storage"}


def test_pairs_are_by_ascending_id_however_they_are_given(pairing):
    assert pairing.pair_nodes({3: ALL, 1: ALL, 2: ALL}, {12: ALL, 10: ALL}) == [(1, 10), (2, 12)]


def test_only_equal_sets_of_networks_are_paired(pairing):
    originals = {1: ALL, 2: ALL - {"public"}}
    assert pairing.pair_nodes(originals, {5: ALL - {"public"}, 6: ALL}) == [(2, 5), (1, 6)]


def test_a_seed_controller_without_partner_is_named(pairing):
    with pytest.raises(pairing.NoPartner, match="Seed controller 6"):
        pairing.pair_nodes({1: ALL}, {5: ALL, 6: ALL})


def test_administration_is_never_copied(pairing):
    assert pairing.copied_names([], ALL | {"fuelweb_admin"}) == sorted(ALL)
    assert pairing.copied_names(["fuelweb_admin", "public"], ALL) == ["public"]


@pytest.mark.parametrize("path", sorted(SOURCES.glob("*.py")), ids=lambda path: path.name)
def test_nothing_is_newer_than_python_2_6(path):
    tree = ast.parse(path.read_text())
    newer = (ast.SetComp, ast.DictComp, ast.Set, ast.JoinedStr, ast.AnnAssign, ast.Starred, ast.NamedExpr, ast.Nonlocal)
    assert not [node for node in ast.walk(tree) if isinstance(node, newer)]
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.With) and len(node.items) > 1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            assert "{}" not in node.value, "numbers itself only from 2.7 on"
        if isinstance(node, ast.FunctionDef):
            assert not node.args.kwonlyargs and node.returns is None
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id != "super" or node.args, "super() without arguments"
    assert re.fullmatch(r"[\x00-\x7f]*", path.read_text()), "no coding line, so ASCII"
