"""The Salt master's configuration: one file of ours, checked against what else is configured, and taken away again."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

import octane
from octane import settings
from octane.errors import Failed, Refused
from octane.fuel import credentials
from octane.machine import THIS_MASTER
from octane.pristine import Pristine
from octane.service import Running, Service
from octane.wait import until

FILE = "octane.conf"
HEADER = "# Written by octane prepare and taken away by octane cleanup-fuel; changes made here are refused.\n"
NODE_FOLDERS = ("_modules", "_states", "_grains", "_utils")
"""What minions get."""

MASTER_FOLDERS = (*NODE_FOLDERS, "_runners", "_engines")
PUBLISH_PORT, RETURN_PORT = 4505, 4506
START_TIMEOUT = 120.0
SERVICE = Service(THIS_MASTER, "salt-master")

Progress = Callable[[str], None]


def tree(name: str) -> Path:
    """The product's folder NAME ("salt" or "pillar"): beside the package in a checkout, else below share/octane.

    :raises Failed: when it is at neither place
    """
    places = [Path(octane.__file__).resolve().parents[1] / name, Path(sys.prefix) / "share" / "octane" / name]
    for place in places:
        if place.is_dir():
            return place
    raise Failed(f"the product's folder {name}/ is at none of {', '.join(map(str, places))}: install it again")


def product_digest(folders: tuple[str, ...]) -> str:
    """One checksum over the code of ours in FOLDERS of the tree that Salt serves."""
    digest = hashlib.sha256()
    for folder in folders:
        top = tree("salt")
        for file in sorted((top / folder).rglob("*.py")):
            digest.update(f"{file.relative_to(top)}\n".encode() + file.read_bytes())
    return digest.hexdigest()


def admin_address(master_facts: Path = credentials.MASTER_FACTS) -> str:
    """The master's address on the administration network, where minions find it.

    :raises Refused: when /etc/fuel/astute.yaml does not say it
    """
    address = credentials.admin_address(master_facts)
    if not address:
        raise Refused(f"{master_facts} names no ADMIN_NETWORK address: this is not a Fuel master")
    return address


def path() -> Path:
    """Our file in the Salt master's configuration."""
    return settings.salt_dir() / "master.d" / FILE


def pristine() -> Pristine:
    """The store of pristine copies of this master."""
    return Pristine(settings.state_dir() / "pristine")


def wanted() -> dict[str, Any]:
    """Options of the Salt master that this product needs; the file and pillar roots of the site stay, after ours."""
    return {
        "interface": admin_address(),
        "auto_accept": False,
        "open_mode": False,
        "file_roots": {"base": _roots("file_roots", tree("salt"), "/srv/salt")},
        "pillar_roots": {"base": _roots("pillar_roots", tree("pillar"), "/srv/pillar")},
        "worker_threads": max(3, os.cpu_count() or 1),
        "timeout": 30,
        "gather_job_timeout": 30,
        "engines": [{"octane_progress": {}}],
        "octane": {"state_dir": str(settings.state_dir())},
    }


def _roots(option: str, ours: Path, default: str) -> list[str]:
    found: list[str] = []
    for _, content in _other_files():
        roots = content.get(option)
        if isinstance(roots, dict) and isinstance(roots.get("base"), list):
            found = [str(root) for root in roots["base"]]
    return [str(ours), *(root for root in found or [default] if root != str(ours))]


def _other_files() -> list[tuple[Path, dict[str, Any]]]:
    """(path, content) of the master's other configuration files, in the order in which Salt reads them."""
    salt = settings.salt_dir()
    files = [file for file in (salt / "master", *sorted((salt / "master.d").glob("*.conf"))) if file != path()]
    return [(file, _content(file)) for file in files if file.exists()]


def _content(file: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise Refused(f"{file} cannot be read as Salt configuration: {type(error).__name__}") from error
    return content if isinstance(content, dict) else {}


def _refuse_overriding(options: dict[str, Any]) -> None:
    """Salt reads master.d in the order of names; a later file would silently win over ours."""
    for file, content in _other_files():
        over = sorted(set(content) & set(options))
        if over and file.parent == path().parent and file.name > FILE:
            raise Refused(f"{file} sets {', '.join(over)} after {FILE} does; rename it so that it comes before")


def render() -> bytes:
    """Content of our file.

    :raises Refused: when another file would override it
    """
    options = wanted()
    _refuse_overriding(options)
    return (HEADER + yaml.safe_dump(options, default_flow_style=False, sort_keys=True)).encode()


def changes() -> dict[str, Any]:
    """What `configure_salt` would do now; {} when the configuration is ours and the master runs.

    :raises Refused: when our file is neither pristine nor ours, or the site's configuration is in the way
    """
    content = render()
    pristine().refuse_others(THIS_MASTER, str(path()), HEADER.encode())
    found: dict[str, Any] = {}
    if THIS_MASTER.read(str(path())) != content:
        found[str(path())] = "written"
    if not _is_synced():
        found["modules"] = "synchronised"
    if str(path()) in found or not SERVICE.is_active():
        found["salt-master"] = "restarted"
    return found


def configure_salt(progress: Progress = lambda text: None, test: bool = False) -> dict[str, Any]:
    """Configure the Salt master for the procedure and see it answer; {} when there was nothing to do.

    In a dry run only says what would change.

    :raises Refused: see `changes`
    :raises Failed: when the master does not come up
    """
    found = changes()
    if test:
        return found
    _note_before()
    pristine().claim(THIS_MASTER, str(path()), HEADER.encode())
    if pristine().put(THIS_MASTER, str(path()), render()):
        progress("Salt is configured")
    # Engines are started with the master; everything else is loaded when it is used.
    new_engines = "modules" in found and "engines" in sync()
    if "salt-master" in found or new_engines:
        SERVICE.restart()
        wait_until_it_listens()
        progress("salt-master answers")
    return found


def wait_until_it_listens() -> None:
    """Wait for both ports of the Salt master on the administration address."""
    address = admin_address()

    def listening() -> bool:
        return all(_listens(address, port) for port in (PUBLISH_PORT, RETURN_PORT))

    until(listening, START_TIMEOUT, f"salt-master on {address}", interval=0.5)


def _listens(address: str, port: int) -> bool:
    try:
        with socket.create_connection((address, port), timeout=5):
            return True
    except OSError:
        return False


def sync() -> dict[str, list[str]]:
    """Give the master its runners, states, modules and engines of the product; what changed, by kind.

    Works without a running master: the files are read from file_roots directly.
    """
    salt_run = str(Path(sys.executable).with_name("salt-run"))
    done = THIS_MASTER.run([salt_run, "--log-level=error", "--out=json", "saltutil.sync_all"], timeout=300)
    kinds = json.loads(done.stdout)
    _synced().write_text(product_digest(MASTER_FOLDERS), encoding="utf-8")
    return {kind: names for kind, names in kinds.items() if names}


def _synced() -> Path:
    """Holds the checksum of what the master was given last."""
    return settings.state_dir() / "synced"


def _is_synced() -> bool:
    return _synced().exists() and _synced().read_text(encoding="utf-8") == product_digest(MASTER_FOLDERS)


def restore_configuration() -> bool:
    """Give the configuration back as it was before us; the running master keeps its own until it is restarted."""
    return pristine().restore(THIS_MASTER, str(path()))


def deconfigure_salt(progress: Progress = lambda text: None, test: bool = False) -> dict[str, Any]:
    """After `cleanup-fuel`, which gave the configuration back: let the Salt master run as it did before `prepare`.

    Not for a step: the master that runs it would be restarted under it. {} when there was nothing to do; in a dry run
    only says what there is.
    """
    if not _synced().exists():
        return {}
    before = _before()
    found = {"salt-master": "restarted" if before.active else "stopped"}
    if test:
        return found
    SERVICE.put_back(before)
    _before_file().unlink(missing_ok=True)
    # Last, since it says that there is something to put back.
    _synced().unlink()
    progress(f"salt-master {'runs' if before.active else 'is stopped'}, as before octane prepare")
    return found


def _before() -> Running:
    """How the Salt master ran before us; where nothing was noted, it ran."""
    try:
        return Running(**json.loads(_before_file().read_text(encoding="utf-8")))
    except FileNotFoundError:
        return Running(active=True, enabled=True)


def _before_file() -> Path:
    return settings.state_dir() / "salt-master-before.json"


def _note_before() -> None:
    """Note how the Salt master runs, unless that is noted or is our doing already."""
    if _before_file().exists() or pristine().paths(THIS_MASTER):
        return
    _before_file().parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    beside = _before_file().with_suffix(".new")
    beside.write_text(json.dumps(asdict(SERVICE.running())), encoding="utf-8")
    beside.replace(_before_file())
