"""Additions to the API: extensions as Nailgun 7.0 finds them in its ``site-packages``.

On a Fuel master an addition is hooked in by editing ``nailgun/extensions/base.py``, whose ``get_all_extensions``
imports the classes and lists them; the workers then have to be restarted. Here these very files are executed, under
modules that stand for the rest of Nailgun (``emulation``). They are read when the server starts and when the restart
file is touched. An extension that cannot be imported makes every request a 500 until it is repaired, as a broken worker
would.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import logging
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from lab.nailgun import clone_ips, emulation, routing
from lab.nailgun.errors import Unexpected
from lab.nailgun.extension_tree import write_tree
from lab.nailgun.routing import Call, Handler, Reply, Table
from lab.nailgun.state import State

LOG = logging.getLogger("nailgun.extensions")
__all__ = ["Extensions", "write_tree"]
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
PACKAGE = "nailgun"


class Extensions:
    """The extensions below SITE_PACKAGES/nailgun/extensions; none without a directory."""

    def __init__(self, site_packages: Path | None = None, restart_file: Path | None = None) -> None:
        self.site_packages = site_packages
        self.restart_file = restart_file
        self.seen: int | None = None
        self.added: Table | None = []
        if site_packages:
            self.load()

    def table(self, state: State) -> Table:
        """All routes: the server's own, and those of extensions. Raises Unexpected while an extension is broken."""
        if self.site_packages and self._touched() != self.seen:
            self.load()
        if self.added is None:
            raise Unexpected
        built_in = clone_ips.TABLE if "clone_ips" in state.settings["extensions"] else []
        return routing.TABLE + built_in + self.added

    def load(self) -> None:
        """Import all extensions anew."""
        self.seen = self._touched()
        assert self.site_packages is not None
        try:
            classes = _import_classes(self.site_packages)
            self.added = [entry for cls in classes for entry in _routes(cls)]
        except Exception:
            LOG.exception("an extension cannot be loaded")
            self.added = None
        else:
            LOG.info("extensions: %s", ", ".join(cls.name for cls in classes))

    def _touched(self) -> int | None:
        try:
            return self.restart_file.stat().st_mtime_ns if self.restart_file else None
        except FileNotFoundError:
            return None


def _import_classes(site_packages: Path) -> list[Any]:
    """What ``get_all_extensions`` returns, imported from the files as they are now."""
    for name in [name for name in sys.modules if name == PACKAGE or name.startswith(f"{PACKAGE}.")]:
        del sys.modules[name]
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, _Finder)]
    sys.meta_path.insert(0, _Finder(site_packages, emulation.modules()))
    return list(importlib.import_module("nailgun.extensions.base").get_all_extensions())


class _Finder(importlib.abc.MetaPathFinder):
    """Finds modules of the package nailgun: emulated ones first, then files."""

    def __init__(self, site_packages: Path, emulated: dict[str, ModuleType]) -> None:
        self.site_packages = site_packages
        self.emulated = emulated

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The module's specification, or None when it is not ours."""
        if fullname.partition(".")[0] != PACKAGE:
            return None
        if fullname in self.emulated:
            loader = _Emulated(self.emulated[fullname])
            return importlib.machinery.ModuleSpec(fullname, loader, is_package=True)
        place = self.site_packages.joinpath(*fullname.split("."))
        package = place / "__init__.py"
        file = package if package.exists() else place.with_suffix(".py")
        if not file.exists():
            return None
        within = [str(place)] if file == package else None
        return importlib.util.spec_from_file_location(
            fullname, file, loader=_Source(fullname, str(file)), submodule_search_locations=within
        )


class _Emulated(importlib.abc.Loader):
    """Gives a module that exists already."""

    def __init__(self, module: ModuleType) -> None:
        self.module = module

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        """The module itself."""
        return self.module

    def exec_module(self, module: ModuleType) -> None:
        """Nothing: it has been filled."""


class _Source(importlib.machinery.SourceFileLoader):
    """Compiles a file each time: nothing is written beside it, and nothing stale is read."""

    def get_code(self, fullname: str) -> CodeType:
        """The compiled module."""
        path = self.get_filename(fullname)
        code: CodeType = compile(self.get_data(path), path, "exec", dont_inherit=True)
        return code


def _routes(extension: Any) -> Table:
    """Routes of the extension's urls, but for those that the server answers itself."""
    table: Table = []
    for url in extension.urls:
        handler = url["handler"]
        if getattr(handler, "answered_by_the_server", False):
            continue
        methods = {name: _adapter(handler, name) for name in METHODS if hasattr(handler, name)}
        table.append((re.compile(f"^{url['uri']}"), methods))
    return table


def _adapter(handler: Any, name: str) -> Handler:
    """A function for the routing table: it calls the method NAME of a handler class, with ids as text."""

    def answer(call: Call, *ids: Any) -> Reply:
        with emulation.serving(call):
            try:
                return Reply(getattr(handler(), name)(*(str(identity) for identity in ids)))
            except emulation.Done as done:
                return Reply(done.data, done.status)

    return answer
