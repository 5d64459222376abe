"""How the workload reaches the cloud's Ceph: its own copy of the cluster's keys, and the commands that run it."""

from __future__ import annotations

from pathlib import Path

from lab import network
from lab.state import Lab, LabError

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parents[1]
FOLDER = "workload"
FILES = ("ceph.conf", "ceph.client.volumes.keyring", "ceph.client.admin.keyring")


def folder(lab: Lab) -> Path:
    """What the workload of a lab knows of its Ceph, there or not."""
    return lab.state / FOLDER


def remember(lab: Lab) -> None:
    """Keep what a client of the deployed cloud's Ceph has in /etc/ceph, as the first controller has it."""
    controller = next(name for name, host in lab.definition["hosts"].items() if "controller" in host.get("roles", ()))
    kept = folder(lab) / "ceph"
    kept.mkdir(parents=True, exist_ok=True)
    folder(lab).chmod(0o700)
    (folder(lab) / "tree").mkdir(exist_ok=True)
    for name in FILES:
        text = (lab.hosts[controller].root / "etc/ceph" / name).read_text(encoding="utf-8")
        (kept / name).write_text(text, encoding="utf-8")


def command(lab: Lab, *arguments: str) -> list[str]:
    """The command that runs the workload's client: in the gateway's network, in the tree that hosts have. LabError."""
    known = folder(lab)
    if not (known / "ceph" / FILES[0]).exists():
        raise LabError("this lab has no Ceph: bring one up with the profile storage")
    lowers = f"{lab.options['layer']}/upper:{lab.options['image']}"
    # Unmounting elsewhere is seen here: else the client would keep the hosts' disks in use.
    apart = ["unshare", "--mount", "--propagation", "slave"]
    entered = ["sh", str(HERE / "enter.sh"), str(known / "tree"), lowers, str(known / "ceph"), str(CHECKOUT)]
    client = ["/usr/bin/python3", "-m", "lab.workload.client", *arguments]
    return network.inside(f"{lab.prefix}{network.GATEWAY}", [*apart, *entered, *client])
