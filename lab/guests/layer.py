"""What hosts of a cloud with guests have over the image, which other clouds go without."""

from __future__ import annotations

import subprocess
from pathlib import Path

from lab import cache, image
from lab.cache import CACHE, say
from lab.hosts import PATH

HERE = Path(__file__).resolve().parent
SOURCES = [HERE / name for name in ("layer.sh", "packages.txt", "init", "lease")]


def layer_path() -> Path:
    """Where the layer of these sources is, built or not."""
    return CACHE / f"layer-{cache.key(SOURCES, image.image_path().name)}"


def build() -> Path:
    """Build the layer over the image, which is there, unless it is there too; return its path. Raises CommandFailed."""
    return cache.built(layer_path(), "layer", run_script)


def run_script(target: Path) -> None:
    """Fill ``target`` by layer.sh; what it says goes to a file beside it. Raises CommandFailed."""
    say("layer: QEMU and a guest")
    log = CACHE / "layer.log"
    command = [*image.ISOLATED, "sh", str(HERE / "layer.sh"), str(target), str(image.image_path()), str(HERE)]
    with log.open("w") as output:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env={"PATH": PATH})
    image.check_logged(command, done.returncode, log)
