"""Puts what Nailgun 7.0 lacks into Nailgun (`clone_ips`) and takes it out again, to the byte."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from octane import nailgun_extension
from octane.context import Context
from octane.errors import Failed, Refused, WaitTimeout
from octane.fuel import Fuel
from octane.fuel.errors import ServerError, Unreachable
from octane.machine import Machine, container
from octane.procedure.salt_config import pristine
from octane.step import LibraryStep, Outcome
from octane.wait import until

PACKAGE = "octane_clone_ips"
PLACES = (
    "/usr/lib/python2.6/site-packages/nailgun/extensions",
    "/usr/lib/python2.7/site-packages/nailgun/extensions",
)
RESTART_TIMEOUT = 180.0
SOURCES = Path(nailgun_extension.__file__).parent / PACKAGE

RETURN = "    return ["
HOOK = f"    from nailgun.extensions.{PACKAGE}.extension import CloneIPsExtension\n\n{RETURN}CloneIPsExtension, "
_FUNCTION = re.compile(r"^def get_all_extensions\(\):\n(?:(?:[ \t].*)?\n)*", re.MULTILINE)
_RETURN = re.compile(r"^    return \[", re.MULTILINE)


def hook(text: str) -> str:
    """TEXT of Nailgun's extensions/base.py with our class in what `get_all_extensions` returns.

    Nailgun 7.0 discovers nothing by itself: that function lists the classes (read in 7.0's source). Ours is put first,
    so that `unhook` can take exactly this text away again whatever follows it.

    :raises Refused: when the function is not there or does not return a list
    """
    function = _FUNCTION.search(text)
    returned = list(_RETURN.finditer(function.group())) if function else []
    if function is None or len(returned) != 1:
        raise Refused("get_all_extensions() in Nailgun's extensions/base.py is not 7.0's: it cannot be extended")
    at = function.start() + returned[0].start()
    return text[:at] + HOOK + text[at + len(RETURN) :]


def unhook(text: str) -> str:
    """TEXT of a hooked base.py as it was before; any other text unchanged."""
    return text.replace(HOOK, RETURN)


class Addition:
    """Our extension in the Nailgun that runs on MACHINE.

    Files are written through the machine's own commands, so that a container needs no shared folder.
    """

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.pristine = pristine()

    def folder(self) -> str:
        """Where Nailgun's extensions lie.

        :raises Refused: when Nailgun is at none of the places known
        """
        for place in PLACES:
            if self.machine.run(["test", "-f", f"{place}/base.py"], check=False).returncode == 0:
                return place
        raise Refused(f"Nailgun's extensions are at none of {', '.join(PLACES)} on {self.machine.name}")

    def wanted(self) -> dict[str, bytes]:
        """{path: content}: our package, then the one file of Nailgun that names it.

        :raises Refused: when a file there is neither pristine nor ours
        """
        folder = self.folder()
        files = {f"{folder}/{PACKAGE}/{source.name}": source.read_bytes() for source in sorted(SOURCES.glob("*.py"))}
        base = f"{folder}/base.py"
        # Hooked text that the index does not know is ours all the same: the index was lost.
        found = unhook((self.pristine.original(self.machine, base) or b"").decode())
        files[base] = hook(found).encode()
        return files

    def changes(self) -> dict[str, Any]:
        """{path: "written"} for the files that are not as they are to be."""
        return {path: "written" for path, content in self.wanted().items() if self.machine.read(path) != content}

    def install(self) -> None:
        """Write every file; the one that makes Nailgun load the others comes last."""
        for path, content in self.wanted().items():
            now = self.machine.read(path)
            if path.endswith("/base.py"):
                before = unhook((now or b"").decode()).encode()
                if before != now:
                    self.pristine.adopt(self.machine, path, before)
            elif now == content:
                self.pristine.adopt(self.machine, path, None)
            self.pristine.put(self.machine, path, content)

    def remove(self) -> list[str]:
        """Give back every file and remove what Python made of ours; the paths that changed."""
        folder = self.folder()
        ours = f"{folder}/{PACKAGE}"
        paths = self.pristine.paths(self.machine)
        # base.py first, so that Nailgun never names a package that is not there.
        in_order = sorted(paths, key=lambda path: path.startswith(ours))
        changed = [path for path in in_order if self.pristine.restore(self.machine, path)]
        for source in sorted(SOURCES.glob("*.py")):
            self.machine.remove(f"{ours}/{source.stem}.pyc", f"{ours}/{source.stem}.pyo")
        if self.machine.run(["test", "-d", ours], check=False).returncode == 0:
            self._remove_folder(ours)
        return changed

    def _remove_folder(self, ours: str) -> None:
        cache = f"{ours}/__pycache__"
        if self.machine.run(["test", "-d", cache], check=False).returncode == 0:
            self.machine.run(["rm", "-r", cache])
        self.machine.run(["rmdir", ours])

    def restart(self, fuel: Fuel, expected: bool) -> None:
        """Restart Nailgun and wait until its API answers, with `clone_ips` when EXPECTED, else without."""
        self.machine.run(["supervisorctl", "restart", "nailgun"])
        word = "with" if expected else "without"
        what = f"Nailgun to answer {word} clone_ips"
        until(lambda: serves(fuel) is expected, RESTART_TIMEOUT, what, interval=0.5)


def serves(fuel: Fuel) -> bool | None:
    """Whether the API knows `clone_ips`; None while it does not answer, or answers with an internal error."""
    try:
        # The URL matches whatever the number; a GET changes nothing.
        return fuel.environment(1).has_clone_ips()
    except (ServerError, Unreachable):
        return None


def addition() -> Addition:
    """Our addition to the Nailgun of this master."""
    return Addition(container("nailgun"))


class AddCloneIps(LibraryStep):
    """`clone_ips` in Nailgun: our package beside its extensions, one edit that names it, a restart."""

    def pending(self, ctx: Context) -> dict[str, Any]:
        found = addition().changes()
        if serves(ctx.fuel):
            if found:
                self._refuse_other(found)
            return {}
        return found or {"nailgun": "restarted"}

    def _refuse_other(self, found: dict[str, Any]) -> None:
        """Files of ours are missing and the URL is served all the same.

        :raises Refused: when not one file of ours is there: it is somebody else's addition
        """
        ours = addition()
        if not ours.pristine.paths(ours.machine):
            raise Refused(
                "Nailgun already has a clone_ips that is not ours (fuel-octane's own patch): revert that one first "
                "(`octane revert-prepare` of the fuel-octane package), it pairs controllers in no particular order"
            )

    def apply(self, ctx: Context) -> Outcome:
        ours = addition()
        changed = ours.changes()
        ours.install()
        ctx.progress("Nailgun restarts")
        try:
            ours.restart(ctx.fuel, expected=True)
        except WaitTimeout:
            # Better a Nailgun without the addition than none.
            ours.remove()
            ours.restart(ctx.fuel, expected=False)
            raise
        return Outcome(changes=changed, comment="Nailgun serves clone_ips", evidence={"files": sorted(ours.wanted())})

    def verify(self, ctx: Context) -> dict[str, Any]:
        left = addition().changes()
        if left or not serves(ctx.fuel):
            raise Failed(f"Nailgun does not serve clone_ips (files to write: {', '.join(left) or 'none'})")
        return {"clone_ips": "served"}

    def undo(self, ctx: Context) -> Outcome:
        return remove(ctx)


def remove(ctx: Context) -> Outcome:
    """Take `clone_ips` out of Nailgun again; every byte is as it was before."""
    ours = addition()
    changed = ours.remove()
    if changed or serves(ctx.fuel):
        ctx.progress("Nailgun restarts")
        ours.restart(ctx.fuel, expected=False)
    return Outcome(changes={path: "restored" for path in changed}, comment="Nailgun is as it was")


class RemoveCloneIps(LibraryStep):
    """The inverse of `AddCloneIps`, for `cleanup-fuel`."""

    def pending(self, ctx: Context) -> dict[str, Any]:
        ours = addition()
        return {path: "restored" for path in ours.pristine.paths(ours.machine)}

    def apply(self, ctx: Context) -> Outcome:
        return remove(ctx)

    def verify(self, ctx: Context) -> dict[str, Any]:
        """Checksums were compared while restoring; here the API has the word."""
        if self.pending(ctx) or serves(ctx.fuel) is not False:
            raise Failed("Nailgun still has our clone_ips")
        return {"clone_ips": "gone"}
