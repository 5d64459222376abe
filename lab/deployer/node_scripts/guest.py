#!/usr/bin/python3 -IS
"""A compute's guests: guest start|stop|remove UUID, and what the unit guest@UUID runs: guest run UUID.

``start`` reads what the guest is from its standard input, where there is any: JSON with ``memory`` (MiB), ``ports``
([{"id", "device", "mac"}]) and ``ping`` (addresses). It is kept, and the guest comes back with its host. All that the
guest tells on its console is in /var/log/guests/UUID.log, each line after the seconds since the epoch.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time

KEPT = "/var/lib/nova/guests"
LOGS = "/var/log/guests"
FILES = "/usr/lib/lab-guest"
BRIDGE = "br-int"


def main(action, uuid):
    if not re.fullmatch(r"[0-9a-f-]{36}", uuid):
        raise SystemExit(f"not a guest's uuid: {uuid}")
    {"start": start, "stop": stop, "remove": remove, "run": run}[action](uuid)


def start(uuid):
    given = sys.stdin.read()
    if given.strip():
        os.makedirs(KEPT, exist_ok=True)
        with open(f"{KEPT}/{uuid}.json", "w", encoding="utf-8") as kept:
            json.dump(json.loads(given), kept)
    if os.path.exists(f"{KEPT}/{uuid}.json"):
        command("systemctl", "enable", "--quiet", "--now", f"guest@{uuid}")


def stop(uuid):
    command("systemctl", "disable", "--quiet", "--now", f"guest@{uuid}")


def remove(uuid):
    try:
        ports = description(uuid)["ports"]
    except FileNotFoundError:
        return
    stop(uuid)
    for port in ports:
        command("ovs-vsctl", "--if-exists", "del-port", BRIDGE, port["device"])
        command("ip", "link", "delete", port["device"], check=False)
    os.unlink(f"{KEPT}/{uuid}.json")


def run(uuid):
    """QEMU, whose end is this process's end, and its console into the log."""
    guest = description(uuid)
    for port in guest["ports"]:
        plug(port, uuid)
    os.makedirs(LOGS, exist_ok=True)
    argv = emulation(guest)
    emulator: subprocess.Popen[bytes] = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    signal.signal(signal.SIGTERM, lambda *_: emulator.terminate())
    with open(f"{LOGS}/{uuid}.log", "ab", buffering=0) as log:
        for line in emulator.stdout or ():
            log.write(f"{time.time():.3f} ".encode() + line.rstrip(b"\r\n") + b"\n")
    raise SystemExit(emulator.wait())


def plug(port, uuid):
    """The port's device in the bridge, named so that neutron's agent knows whose it is."""
    if not os.path.exists(f"/sys/class/net/{port['device']}"):
        command("ip", "tuntap", "add", "dev", port["device"], "mode", "tap")
    command("ip", "link", "set", port["device"], "up")
    named = {"iface-id": port["id"], "attached-mac": port["mac"], "vm-id": uuid, "iface-status": "active"}
    told = [f"external_ids:{name}=\"{value}\"" for name, value in named.items()]
    made = ["--may-exist", "add-br", BRIDGE, "--", "set", "Bridge", BRIDGE, "datapath_type=netdev"]
    # One that was there before its device is looked at anew.
    plugged = ["--if-exists", "del-port", BRIDGE, port["device"], "--", "add-port", BRIDGE, port["device"]]
    command("ovs-vsctl", *made, "--", *plugged, "--", "set", "Interface", port["device"], *told)


def emulation(guest):
    words = f"console=ttyS0 quiet panic=-1 ping={','.join(guest['ping'])}"
    cards = [
        word
        for number, port in enumerate(guest["ports"])
        for word in (
            "-netdev",
            f"tap,id=net{number},ifname={port['device']},script=no,downscript=no,vnet_hdr=off",
            "-device",
            f"virtio-net-pci,netdev=net{number},mac={port['mac']},romfile=",
        )
    ]
    return [
        "qemu-system-x86_64", "-accel", "tcg,tb-size=32", "-machine", "pc", "-m", str(guest["memory"]),
        "-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio",
        "-kernel", f"{FILES}/vmlinuz", "-initrd", f"{FILES}/initrd", "-append", words, *cards,
    ]  # fmt: skip


def description(uuid):
    with open(f"{KEPT}/{uuid}.json", encoding="utf-8") as kept:
        return json.load(kept)


def command(*argv, check=True):
    subprocess.run(argv, check=check, stdin=subprocess.DEVNULL)


if __name__ == "__main__":
    main(*sys.argv[1:])
