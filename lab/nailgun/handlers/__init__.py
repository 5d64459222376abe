"""What answers which URL: one module per kind of object."""

from importlib import import_module

MODULES = ("master", "clusters", "nodes", "layout", "networks", "orchestrator", "tasks", "upgrade")


def load() -> None:
    """Import all handlers, which puts them into ``routing.TABLE``."""
    for name in MODULES:
        import_module(f"lab.nailgun.handlers.{name}")
