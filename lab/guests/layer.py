"""What hosts of a cloud with guests have over the image, which other clouds go without."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from lab import cache, image
from lab.cache import CACHE, say
from lab.command import CommandFailed

HERE = Path(__file__).resolve().parent
SOURCES = [HERE / name for name in ("layer.sh", "packages.txt", "init", "lease")]
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def layer_path() -> Path:
    """Where the layer of these sources is, built or not."""
    return CACHE / f"layer-{cache.key(SOURCES, image.image_path().name)}"


def build() -> Path:
    """Build the layer over the image, which is there, unless it is there too; return its path. Raises CommandFailed."""
    target = layer_path()
    with cache.lock("layer"):
        if cache.is_complete(target):
            return target
        started = time.monotonic()
        say("layer: QEMU and a guest")
        temporary = CACHE / f".{target.name}.new"
        for left in (temporary, target):
            cache.remove(left)
        temporary.mkdir(parents=True)
        run_script(temporary)
        cache.mark_complete(temporary)
        temporary.rename(target)
        say(f"layer: built {target} in {time.monotonic() - started:.0f} s")
    return target


def run_script(target: Path) -> None:
    """Fill ``target`` by layer.sh; what it says goes to a file beside it. Raises CommandFailed."""
    log = CACHE / "layer.log"
    isolation = ["unshare", "--mount", "--propagation", "slave", "--pid", "--fork", "--kill-child"]
    command = [*isolation, "sh", str(HERE / "layer.sh"), str(target), str(image.image_path()), str(HERE)]
    with log.open("w") as output:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env={"PATH": PATH})
    if done.returncode:
        raise CommandFailed(command, done.returncode, f"see {log}\n" + log.read_text(errors="replace")[-2000:])
