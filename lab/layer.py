"""What the hosts of some clouds have over the image, which others go without: lab/KIND has its packages and fill.sh."""

from __future__ import annotations

import subprocess
from pathlib import Path

from lab import cache, image
from lab.cache import CACHE, say
from lab.hosts import PATH

HERE = Path(__file__).resolve().parent
SCRIPT = HERE / "layer.sh"
SOURCES = {
    "guests": ("fill.sh", "packages.txt", "init", "lease"),
    "ceph": ("fill.sh", "packages.txt", "disks.service"),
}
"""Kind of layer to the files of its folder that it is made of."""


def layer_path(kind: str) -> Path:
    """Where the layer of these sources is, built or not."""
    sources = [SCRIPT, *(HERE / kind / name for name in SOURCES[kind])]
    return CACHE / f"layer-{cache.key(sources, image.image_path().name)}"


def build(kind: str) -> Path:
    """Build a layer over the image, which is there, unless it is there too; return its path. Raises CommandFailed."""
    return cache.built(layer_path(kind), "layer", lambda target: run_script(kind, target))


def run_script(kind: str, target: Path) -> None:
    """Fill ``target`` by layer.sh; what it says goes to a file beside it. Raises CommandFailed."""
    say(f"layer: {kind}")
    log = CACHE / "layer.log"
    command = [*image.ISOLATED, "sh", str(SCRIPT), str(target), str(image.image_path()), str(HERE / kind)]
    with log.open("w") as output:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env={"PATH": PATH})
    image.check_logged(command, done.returncode, log)
