"""The storage lab: a real Ceph with the cloud's images, volumes and objects, and clients that never lose a write.

It is the lab's own test: nothing of the product is asked for anything.
"""

from __future__ import annotations

import json
import subprocess
import time

import pytest

from lab.content import bytes_of_image
from lab.wait import until

PROFILE = "storage"
CONTROLLERS = ("node-1", "node-2", "node-3")
STORAGE_NODES = ("node-7", "node-8", "node-9")
WORKED_SECONDS = 20
WITHIN = 300

pytestmark = [pytest.mark.soak, pytest.mark.procedure, pytest.mark.timeout(2400)]


def told(lab, *words, host="node-1"):
    """What the program ceph or its like tells, as JSON."""
    return json.loads(lab.run(lab.on(host, *words, "--format", "json")).stdout)


def script(lab, text):
    """JSON that a script prints which runs on a controller with the administrator's credentials."""
    python = "$(dirname $(readlink -f /usr/bin/neutron-server))/python"
    return json.loads(lab.run(lab.on("node-1", "bash", "-c", f". /root/openrc; exec {python} -c '{text}'")).stdout)


def images(lab):
    """Name to id and size of all images, as the API tells them."""
    text = (
        "import json, openstack; c = openstack.connect();"
        "print(json.dumps({i.name: [i.id, i.size] for i in c.image.images()}))"
    )
    return script(lab, text)


def is_clean(status):
    """Whether nothing is wrong and every placement group is clean, one that is scrubbed included."""
    states = [state["state_name"] for state in status["pgmap"]["pgs_by_state"]]
    return status["health"]["status"] == "HEALTH_OK" and all(state.startswith("active+clean") for state in states)


def assert_whole(lab):
    """HEALTH_OK, three monitors in quorum, six OSDs up, everything clean."""
    until(lambda: is_clean(told(lab, "ceph", "status")), WITHIN, "HEALTH_OK and all groups clean", 2)
    status = told(lab, "ceph", "status")
    assert sorted(status["quorum_names"]) == list(CONTROLLERS)
    assert (status["osdmap"]["num_osds"], status["osdmap"]["num_up_osds"]) == (6, 6)


def work(lab, seconds):
    """Let the workload run; returns its log."""
    log = lab.state / "workload.jsonl"
    lab.lab("workload", "--output", str(log), "--seconds", str(seconds), timeout=WITHIN)
    return log


def assert_nothing_lost(lab, log):
    """Every operation was answered well, and what was acknowledged is there for a new client."""
    seen = json.loads(lab.lab("workload", "--summary", str(log), "-f", "json").stdout)
    assert set(seen["operations"]) == {"write", "read", "connect", "commit", "quorum"}
    assert not any(figures["failed"] for figures in seen["operations"].values()), seen
    assert (seen["wrong_reads"], seen["unfinished"], seen["quorum"]) == ([], [], 3)
    verified = json.loads(lab.lab("workload", "--verify", str(log)).stdout)
    assert verified["checked"] and verified["lost"] == []


def test_the_cluster_is_whole(lab):
    assert_whole(lab)


def test_daemons_are_units_under_debians_names_where_fuel_puts_them(lab):
    units = {host: [f"ceph-mon@{host}"] for host in CONTROLLERS}
    units["node-1"].append("ceph-mgr@node-1")
    for host in STORAGE_NODES:
        listed = lab.run(lab.on(host, "ls", "/var/lib/ceph/osd")).stdout.split()
        assert len(listed) == 2
        units[host] = [f"ceph-osd@{name.partition('-')[2]}" for name in listed]
    for host, names in units.items():
        lab.run(lab.on(host, "systemctl", "is-active", "--quiet", *names))
        lab.run(lab.on(host, "systemctl", "is-enabled", "--quiet", *names))


def test_monitors_are_on_the_controllers_management_addresses(lab):
    found = {monitor["name"]: monitor["public_addr"] for monitor in told(lab, "ceph", "mon", "dump")["mons"]}
    for host in CONTROLLERS:
        addresses = lab.run(lab.on(host, "hostname", "-I")).stdout.split()
        assert found[host].partition(":")[0] in addresses


def test_a_host_is_a_failure_domain_and_pools_have_fuels_users(lab):
    tree = told(lab, "ceph", "osd", "tree")["nodes"]
    assert {node["name"]: len(node["children"]) for node in tree if node["type"] == "host"} == dict.fromkeys(
        STORAGE_NODES, 2
    )
    pools = {pool["pool_name"]: pool for pool in told(lab, "ceph", "osd", "dump")["pools"]}
    assert {"images", "volumes", "backups", "compute"} <= set(pools)
    assert {pool["size"] for pool in pools.values()} == {3}
    users = {user["entity"] for user in told(lab, "ceph", "auth", "ls")["auth_dump"]}
    assert {"client.images", "client.volumes", "client.backups", "client.compute"} <= users
    for host, names in {"node-2": ("images", "volumes", "backups"), "node-8": ("compute",)}.items():
        lab.run(lab.on(host, "ls", *(f"/etc/ceph/ceph.client.{name}.keyring" for name in names)))


def test_every_disk_has_the_label_of_its_osd(lab):
    fsid = told(lab, "ceph", "status")["fsid"]
    known = {osd["osd"]: osd["uuid"] for osd in told(lab, "ceph", "osd", "dump")["osds"]}
    labels = {}
    for host in STORAGE_NODES:
        for disk in ("/dev/sdb", "/dev/sdc"):
            shown = json.loads(lab.run(lab.on(host, "ceph-bluestore-tool", "show-label", "--dev", disk)).stdout)[disk]
            assert shown["ceph_fsid"] == fsid
            labels[int(shown["whoami"])] = shown["osd_uuid"]
    assert labels == known


def test_bytes_of_images_are_in_ceph_and_nowhere_else(lab):
    stored = set(told(lab, "rbd", "ls", "images"))
    found = images(lab)
    assert {identifier for identifier, _ in found.values()} == stored
    assert not [path for path in (lab.state / "images").rglob("*") if path.is_file()]
    number = 1
    identifier, size = found[f"image-{number + 1:02d}"]
    read = lab.on("node-1", "rbd", "export", f"images/{identifier}", "-")
    assert subprocess.run(read, capture_output=True, check=True).stdout[:size] == bytes_of_image(number)


def test_volumes_are_images_of_their_pool(lab):
    text = (
        "import json, openstack; c = openstack.connect();"
        "print(json.dumps([v.id for v in c.block_storage.volumes(all_projects=True)]))"
    )
    wanted = {f"volume-{identifier}" for identifier in script(lab, text)}
    assert wanted and wanted <= set(told(lab, "rbd", "ls", "volumes"))


def test_objects_are_served_by_the_gateway(lab):
    text = (
        "import json, openstack; c = openstack.connect(project_name=\"project-01\");"
        "print(json.dumps([o.name for o in c.object_store.objects(\"project-01\")]))"
    )
    assert script(lab, text) == ["object-01", "object-03"]


def test_clients_lose_nothing(lab):
    assert_nothing_lost(lab, work(lab, WORKED_SECONDS))


def test_a_restart_of_a_whole_storage_node_loses_nothing(lab):
    log = lab.state / "restart.jsonl"
    process = subprocess.Popen(lab.argv("workload", "--output", str(log)))
    try:
        until(lambda: log.exists() and log.stat().st_size > 0, WITHIN, "the workload to begin")
        lab.run(lab.on("node-7", "systemctl", "restart", "ceph-osd.target"))
        until(lambda: told(lab, "ceph", "status")["osdmap"]["num_up_osds"] == 6, WITHIN, "six OSDs up", 1)
        assert_whole(lab)
    finally:
        process.terminate()
        process.wait(timeout=60)
    assert_nothing_lost(lab, log)


def test_the_cloud_comes_back_from_its_snapshot(lab):
    before = told(lab, "ceph", "status")["fsid"], images(lab)
    began = time.monotonic()
    lab.lab("reset")
    print(f"reset took {time.monotonic() - began:.0f} s")
    assert_whole(lab)
    assert (told(lab, "ceph", "status")["fsid"], images(lab)) == before
    assert_nothing_lost(lab, work(lab, WORKED_SECONDS))
