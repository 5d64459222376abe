"""The tree that all hosts of a lab share, and the Python environments of both OpenStack releases."""

from __future__ import annotations

import importlib
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lab import cache
from lab.cache import CACHE, say
from lab.command import CommandFailed, run
from lab.hosts import PATH

HERE = Path(__file__).resolve().parent
IMAGE_SOURCES = [HERE / name for name in ("image.sh", "packages.txt", "salt.txt", "imagefiles")]
DRIVERS = HERE / "deployer" / "drivers"
RELEASES = ("2023.1", "2024.1")
ISOLATED = ["unshare", "--mount", "--propagation", "slave", "--pid", "--fork", "--kill-child"]
"""In front of a script: what it mounts and starts ends with it."""

SUITES = ("bookworm", "bookworm-updates", "bookworm-security")
BEGINNINGS = (
    "keystone.conf",
    "nova.conf",
    "neutron.common.config",
    "cinder.common.config",
    "glance.common.config",
    "heat.common.config",
    "placement.conf",
    "pkg_resources, paste.deploy, oslo_messaging, pymysql, memcache",
)
"""What is imported to know that an environment works: modules of each service, and what its pins must bring besides."""


def image_path() -> Path:
    """Where the host tree of these sources is, built or not."""
    return CACHE / f"image-{cache.key(IMAGE_SOURCES)}"


def openstack_path(release: str) -> Path:
    """Where the environment of an OpenStack release ("2023.1" or "2024.1") is, built or not."""
    return CACHE / f"openstack-{release}-{cache.key([pins(release), DRIVERS])}"


def pins(release: str) -> Path:
    """The file that lists every package of an OpenStack release at its version."""
    return HERE / f"openstack-{release}.txt"


def build_all() -> dict[str, Path]:
    """Build what is missing and return the paths: "image" and one for each OpenStack release.

    The image waits for the network and for dpkg, the environments for the compiler, so both run at once.
    """
    with ThreadPoolExecutor(max_workers=2) as pool:
        image = pool.submit(build_image)
        environments = pool.submit(lambda: {release: build_openstack(release) for release in RELEASES})
        return {"image": image.result(), **environments.result()}


def build_image() -> Path:
    """Build the host tree unless it is there; return its path. Raises CommandFailed."""
    return cache.built(image_path(), "image", run_image_script)


def run_image_script(target: Path) -> None:
    """Fill ``target`` by image.sh. Its long output goes to a file beside it, its progress lines to standard error."""
    sources = apt_sources()
    mirror = sources[0].split()[1]
    log = CACHE / "image.log"
    environment = uv_environment() | {"PATH": PATH}
    command = [*ISOLATED, "sh", str(HERE / "image.sh"), str(target), mirror, str(HERE), uv()]
    with log.open("w") as output, subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=output, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdin and process.stderr
        process.stdin.write("\n".join(sources) + "\n")
        process.stdin.close()
        for line in process.stderr:
            output.write(line)
            if line.startswith("image: "):
                say(line.rstrip())
    check_logged(command, process.returncode, log)


def check_logged(command: list[str], code: int, log: Path) -> None:
    """Raises CommandFailed with the end of ``log`` when a command ended with another exit code than 0."""
    if code:
        raise CommandFailed(command, code, f"see {log}\n" + log.read_text(errors="replace")[-2000:])


def apt_sources() -> list[str]:
    """Lines of a sources.list from the machine's own apt configuration; the plain Debian release comes first.

    Raises FileNotFoundError when apt knows no source of that.
    """
    wanted = "deb $(REPO_URI) $(RELEASE) $(COMPONENT)"
    listed = run(["apt-get", "indextargets", "--format", wanted, "Identifier: Packages"], check=False).stdout
    words = [line.split() for line in set(listed.splitlines())]
    chosen = [line for line in words if len(line) == 4 and line[2] in SUITES and line[3] == "main"]
    chosen.sort(key=lambda line: SUITES.index(line[2]))
    if not chosen or chosen[0][2] != SUITES[0]:
        raise FileNotFoundError(f"apt of this machine has no source of {SUITES[0]} main: see sources.list(5)")
    return [" ".join(line) for line in chosen]


def build_openstack(release: str) -> Path:
    """Build the environment of an OpenStack release unless it is there; return its path. Raises CommandFailed.

    Scripts name their interpreter by absolute path, so it is built in place and counts only once it is marked complete.
    """
    target = openstack_path(release)
    with cache.lock(f"openstack-{release}"):
        if cache.is_complete(target):
            return target
        started = time.monotonic()
        say(f"OpenStack {release}: installing {len(pins(release).read_text().splitlines())} packages")
        cache.remove(target)
        run_uv(["venv", "-q", "-p", "/usr/bin/python3", str(target)])
        python = str(target / "bin/python")
        run_uv(["pip", "install", "-q", "--compile-bytecode", "-p", python, "-r", str(pins(release))])
        install_drivers(target)
        check_imports(target)
        cache.mark_complete(target)
        say(f"OpenStack {release}: built {target} in {time.monotonic() - started:.0f} s")
    return target


def install_drivers(environment: Path) -> None:
    """Add the lab's own nova and neutron drivers to an environment."""
    if importlib.util.find_spec("lab.deployer.drivers.install") is None:
        return
    importlib.import_module("lab.deployer.drivers.install").install(environment)


def check_imports(environment: Path) -> None:
    """Import what each service begins with, so that a broken environment is found here. Raises CommandFailed.

    Each in a process of its own: two services register an option of one name and cannot share one (DuplicateOptError).
    """
    for beginning in BEGINNINGS:
        run([str(environment / "bin/python"), "-c", f"import {beginning}"], timeout=180)


def run_uv(arguments: list[str]) -> None:
    """Run uv; raises CommandFailed with what it said."""
    command = [uv(), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=uv_environment(), stdin=subprocess.DEVNULL)
    if done.returncode:
        raise CommandFailed(command, done.returncode, done.stderr)


def uv() -> str:
    """The path of uv: of this Python environment, else of the machine. Raises FileNotFoundError."""
    beside = Path(sys.executable).parent / "uv"
    found = str(beside) if beside.exists() else shutil.which("uv")
    if not found:
        raise FileNotFoundError("uv is neither beside this Python nor on the PATH")
    return found


def uv_environment() -> dict[str, str]:
    """This process's environment with uv's downloads kept in the cache, on the file system they are linked to."""
    downloads = CACHE / "uv"
    downloads.mkdir(parents=True, exist_ok=True)
    return {**os.environ, "UV_CACHE_DIR": str(downloads)}
