"""What Salt syncs to a node is enough there: its files import the standard library, a little of Salt and each other."""

import ast
import sys
from pathlib import Path

import pytest

SALT = Path(__file__).parents[2] / "salt"
FOLDERS = (SALT / "_modules", SALT / "_states")
FILES = sorted(path for folder in FOLDERS for path in folder.rglob("*.py"))
SIBLINGS = {path.stem for path in FILES if path.stem.startswith("octane_")}
WIRE = SALT / "_modules" / "octane_wire"
"""A program of its own, started from its folder on the node."""

SALT_USED = {"salt.exceptions.CommandExecutionError"}
MORE = {
    "octane_channel.py": {"frames.Broken", "tls"},
    "octane.py": {"octane.door", "octane.context.DryRun", "salt.state"},
}
"""What `octane_channel` shares with that program, and what `octane.py`, the state of the master alone, has there."""


def imported(source):
    """Dotted names that SOURCE imports, wherever in it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names)


def foreign(path, source):
    """What SOURCE, the text of PATH, imports and a node may not have."""
    allowed = SALT_USED | MORE.get(path.name, set())
    ours = {one.stem for one in WIRE.glob("*.py")} if path.parent == WIRE else SIBLINGS
    return [
        name
        for name in imported(source)
        if name not in allowed and name.partition(".")[0] not in sys.stdlib_module_names | ours
    ]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SALT)))
def test_only_what_a_node_has_is_imported(path):
    assert foreign(path, path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ("import yaml", "yaml"),
        ("def f():\n    from octane.errors import Failed", "octane.errors.Failed"),
        ("import salt.client", "salt.client"),
        ("from salt import exceptions", "salt.exceptions"),
        ("from . import octane_net", "..octane_net"),
        ("from frames import Broken", "frames.Broken"),
    ],
)
def test_anything_else_is_found(source, named):
    assert foreign(SALT / "_modules" / "octane_db.py", source) == [named]


def test_what_is_allowed_is_used():
    used = {name for path in FILES for name in imported(path.read_text(encoding="utf-8"))}
    assert SALT_USED.union(*MORE.values()) <= used
