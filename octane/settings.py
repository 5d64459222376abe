"""Where this master keeps what; Salt's own configuration files say so, nothing is configured twice."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

DEFAULT_STATE_DIR = Path("/var/lib/octane")
DEFAULT_SALT_DIR = Path("/etc/salt")


def state_dir(master_options: Mapping[str, Any] | None = None) -> Path:
    """The journal's directory: environment OCTANE_STATE_DIR, else the master's option ``octane: {state_dir: ...}``,
    else /var/lib/octane. Without MASTER_OPTIONS they are read from the master's configuration files."""
    named = os.environ.get("OCTANE_STATE_DIR")
    if named:
        return Path(named)
    options = configured() if master_options is None else master_options.get("octane")
    configured_dir = options.get("state_dir") if isinstance(options, Mapping) else None
    return Path(configured_dir) if configured_dir else DEFAULT_STATE_DIR


def salt_dir() -> Path:
    """Directory of the Salt master's configuration, as Salt itself finds it."""
    return Path(os.environ.get("SALT_CONFIG_DIR") or DEFAULT_SALT_DIR)


def configured() -> dict[str, Any]:
    """The option ``octane`` of the Salt master's configuration files; a later file wins, as in Salt. Unreadable files
    count as empty, since reading the journal must not depend on the master."""
    found: dict[str, Any] = {}
    for file in [salt_dir() / "master", *sorted((salt_dir() / "master.d").glob("*.conf"))]:
        found.update(_octane_option(file))
    return found


def _octane_option(file: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError):
        return {}
    option = content.get("octane") if isinstance(content, dict) else None
    return option if isinstance(option, dict) else {}
