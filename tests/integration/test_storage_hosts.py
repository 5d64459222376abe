"""The storage lab: what a host with OSDs goes through when Nailgun installs it anew, and what can be broken on it.

It is the lab's own test: nothing of the product is asked for anything. By hand is done what an operator of Fuel would
do, with Nailgun's API and commands on the nodes.
"""

from __future__ import annotations

import json
import subprocess

import pytest

from lab.deployer import mcollective
from lab.wait import until
from tests.integration import nailgun
from tests.integration.test_storage import WITHIN, assert_nothing_lost, assert_whole, is_clean, told

PROFILE = "storage"
OLD_ENVIRONMENT = 1
KEPT, NOT_PRIMED, ERASED = "node-7", "node-8", "node-9"
DISKS = ("/dev/sdb", "/dev/sdc")
OSDS = "/var/lib/ceph/osd"

pytestmark = [pytest.mark.soak, pytest.mark.procedure, pytest.mark.timeout(2400)]


def number_of(host):
    return int(host.removeprefix("node-"))


def labels(lab, host):
    """Disk to the label of its OSD, None where there is none."""
    found = {}
    for disk in DISKS:
        shown = lab.run(lab.on(host, "ceph-bluestore-tool", "show-label", "--dev", disk), check=False)
        found[disk] = json.loads(shown.stdout)[disk] if shown.returncode == 0 else None
    return found


def identities(lab):
    """OSD's number to its uuid."""
    return {osd["osd"]: osd["uuid"] for osd in told(lab, "ceph", "osd", "dump")["osds"]}


def acting_sets(lab):
    return {group["pgid"]: group["acting"] for group in told(lab, "ceph", "pg", "ls")["pg_stats"]}


def children(lab, host):
    """Numbers of the OSDs that the CRUSH map has below a host."""
    nodes = told(lab, "ceph", "osd", "tree")["nodes"]
    return sorted(next(node["children"] for node in nodes if node["name"] == host))


def checks(lab):
    return set(told(lab, "ceph", "health")["checks"])


def replace_agent(lab, host):
    """Give a node the agent that the spare servers have, who booted from the bootstrap of 7.0."""
    new = lab.run(lab.on("node-4", "cat", mcollective.AGENT)).stdout
    subprocess.run(lab.on(host, "sh", "-c", f"cat > {mcollective.AGENT}"), input=new, text=True, check=True)
    lab.run(lab.on(host, "systemctl", "restart", "mcollective"))


def stop_osds(lab, host):
    """Set noout, stop a host's OSDs and wait until they are down."""
    lab.run(lab.on("node-1", "ceph", "osd", "set", "noout"))
    own = children(lab, host)
    lab.run(lab.on(host, "systemctl", "stop", *(f"ceph-osd@{number}" for number in own)))

    def down():
        return not any(osd["up"] for osd in told(lab, "ceph", "osd", "dump")["osds"] if osd["osd"] in own)

    until(down, WITHIN, f"the OSDs of {host} to be down", 1)


def provision(lab, host):
    return nailgun.done(lab, "PUT", f"/clusters/{OLD_ENVIRONMENT}/provision?nodes={number_of(host)}", {})


def deploy(lab, host):
    return nailgun.done(lab, "PUT", f"/clusters/{OLD_ENVIRONMENT}/deploy?nodes={number_of(host)}", {})


def prime(lab, host):
    """Make the homes of the OSDs whose labels the disks have, as facts of Ceph tell."""
    for disk, label in labels(lab, host).items():
        home = f"{OSDS}/ceph-{label['whoami']}"
        lab.run(lab.on(host, "mkdir", "-p", home))
        lab.run(lab.on(host, "ceph-bluestore-tool", "prime-osd-dir", "--dev", disk, "--path", home))
        lab.run(lab.on(host, "ln", "-sfn", disk, f"{home}/block"))
        lab.run(lab.on(host, "chown", "-R", "-L", "ceph:ceph", home))


# ---- faults


def test_the_cluster_is_whole(lab):
    assert_whole(lab)


def test_swapped_disks(lab):
    before = labels(lab, KEPT)
    lab.lab("fault", "swap-disks", KEPT)
    assert labels(lab, KEPT) == dict(zip(DISKS, reversed(before.values()), strict=True))
    lab.lab("fault", "heal", KEPT)
    assert labels(lab, KEPT) == before


def test_a_foreign_label(lab):
    before = labels(lab, KEPT)
    lab.lab("fault", "foreign-label", KEPT)
    broken = labels(lab, KEPT)
    assert broken["/dev/sdb"]["ceph_fsid"] != before["/dev/sdb"]["ceph_fsid"]
    assert broken["/dev/sdc"] == before["/dev/sdc"]
    lab.lab("fault", "heal", KEPT)
    assert labels(lab, KEPT) == before


@pytest.mark.parametrize("host", ["node-2", KEPT])
def test_a_lost_keyring(lab, host):
    looked_for = ["sh", "-c", "ls /var/lib/ceph/mon/*/keyring /var/lib/ceph/osd/*/keyring 2>/dev/null; true"]
    before = lab.run(lab.on(host, *looked_for)).stdout.split()
    lab.lab("fault", "lose-keyring", host)
    assert lab.run(lab.on(host, *looked_for)).stdout.split() == before[1:]
    lab.lab("fault", "heal", host)
    assert lab.run(lab.on(host, *looked_for)).stdout.split() == before


def test_a_spare_server_with_little_space(lab):
    lab.lab("fault", "low-disk", "node-4")
    shown = lab.run(lab.on("node-4", "df", "--output=size,avail", "/")).stdout.splitlines()[1].split()
    assert 3 < 100 * int(shown[1]) / int(shown[0]) < 5
    lab.lab("fault", "heal", "node-4")


def test_an_inconsistent_group(lab):
    lab.lab("fault", "inconsistent-pg", KEPT)
    assert "PG_DAMAGED" in checks(lab)
    lab.lab("fault", "heal", KEPT)
    assert_whole(lab)


# ---- installed anew


def test_with_its_disks_kept_and_primed_a_host_has_its_osds_back(lab):
    before, own, acting = identities(lab), children(lab, KEPT), acting_sets(lab)
    found = labels(lab, KEPT)
    log = lab.state / "reinstalled.jsonl"
    process = subprocess.Popen(lab.argv("workload", "--output", str(log)))
    try:
        replace_agent(lab, KEPT)
        stop_osds(lab, KEPT)
        nailgun.keep(lab, number_of(KEPT), "ceph", True)
        assert provision(lab, KEPT)["status"] == "ready"
        assert labels(lab, KEPT) == found
        left = lab.run(lab.on(KEPT, "sh", "-c", f"ls /etc/ceph/ceph.conf {OSDS}/*", ), check=False)
        assert left.returncode and not left.stdout.strip()
        prime(lab, KEPT)
        assert deploy(lab, KEPT)["status"] == "ready"
        lab.run(lab.on("node-1", "ceph", "osd", "unset", "noout"))
        assert_whole(lab)
    finally:
        process.terminate()
        process.wait(timeout=60)
    assert (identities(lab), children(lab, KEPT), acting_sets(lab)) == (before, own, acting)
    assert_nothing_lost(lab, log)


def test_a_compute_node_that_was_installed_anew_serves_again(lab):
    services = lab.run(
        lab.on("node-1", "mysql", "-NBe", "SELECT host FROM nova.services WHERE `binary` = 'nova-compute' AND "
               "deleted = 0 AND TIMESTAMPDIFF(SECOND, updated_at, UTC_TIMESTAMP()) < 40")
    ).stdout
    assert f"{KEPT}." in services
    nodes = lab.run(
        lab.on("node-1", "mysql", "-NBe", f"SELECT uuid FROM nova.compute_nodes WHERE host LIKE '{KEPT}.%'")
    )
    assert len(nodes.stdout.split()) == 1


def test_kept_disks_that_nobody_primed_are_made_anew_by_the_deployment(lab):
    own, before = children(lab, NOT_PRIMED), identities(lab)
    found = labels(lab, NOT_PRIMED)
    replace_agent(lab, NOT_PRIMED)
    stop_osds(lab, NOT_PRIMED)
    nailgun.keep(lab, number_of(NOT_PRIMED), "ceph", True)
    assert provision(lab, NOT_PRIMED)["status"] == "ready"
    assert labels(lab, NOT_PRIMED) == found
    assert deploy(lab, NOT_PRIMED)["status"] == "ready"
    uuids = {label["osd_uuid"] for label in labels(lab, NOT_PRIMED).values()}
    assert not uuids & set(before.values())
    assert not any(osd["up"] for osd in told(lab, "ceph", "osd", "dump")["osds"] if osd["osd"] in own)
    # The old ones go, and what they had comes back from the copies of the other hosts.
    for number in own:
        lab.run(lab.on("node-1", "ceph", "osd", "purge", str(number), "--yes-i-really-mean-it"))
    lab.run(lab.on("node-1", "ceph", "osd", "unset", "noout"))
    until(lambda: is_clean(told(lab, "ceph", "status")), WITHIN, "all groups clean again", 2)


def test_the_agent_of_the_old_release_destroys_disks_that_were_to_be_kept(lab):
    assert all(labels(lab, ERASED).values())
    stop_osds(lab, ERASED)
    nailgun.keep(lab, number_of(ERASED), "ceph", True)
    assert provision(lab, ERASED)["status"] == "ready"
    assert labels(lab, ERASED) == dict.fromkeys(DISKS)


def test_without_keep_data_nothing_is_left_on_the_disks(lab):
    blocks = ["stat", "-L", "-c", "%b", *DISKS]
    assert all(int(count) for count in lab.run(lab.on(ERASED, *blocks)).stdout.split())
    nailgun.keep(lab, number_of(ERASED), "ceph", False)
    assert provision(lab, ERASED)["status"] == "ready"
    assert [int(count) for count in lab.run(lab.on(ERASED, *blocks)).stdout.split()] == [0, 0]


def test_a_host_that_lost_its_disks_gets_new_osds(lab):
    own = children(lab, ERASED)
    assert deploy(lab, ERASED)["status"] == "ready"
    for number in own:
        lab.run(lab.on("node-1", "ceph", "osd", "purge", str(number), "--yes-i-really-mean-it"))
    lab.run(lab.on("node-1", "ceph", "osd", "unset", "noout"))
    until(lambda: is_clean(told(lab, "ceph", "status")), WITHIN, "all groups clean again", 2)
