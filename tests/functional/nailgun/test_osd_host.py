"""A host with OSDs that moves to the seed, against a server that behaves as Nailgun 7.0, its nodes faked."""

import json

import pytest

from octane import stage
from octane.errors import Failed, Refused
from octane.fuel import kept
from octane.procedure import osd_host, osd_steps
from tests.functional.nailgun.conftest import container, contexts, prepare
from tests.functional.nailgun.server import ORIGINAL, running

HOST = 4
MINION = f"node-{HOST}"
LABELS = [{"disk": disk, "osd": osd, "fsid": "f", "uuid": f"u{osd}", "kind": "bluestore"}
          for osd, disk in enumerate(("vdb", "vdc"))]  # fmt: skip


@pytest.fixture
def context(tmp_path, recorded):
    """A context of upgrade-node for a node that is a compute and has OSDs on two disks, of an original with a seed."""
    state = json.loads(recorded)
    (node,) = [one for one in state["tables"]["nodes"] if one["id"] == HOST]
    node.update(roles=["compute", "ceph-osd"], disks=[])
    with running(tmp_path, json.dumps(state)) as master, container(master), contexts(prepare(master)) as make:
        found = make(node=HOST)
        release = max(one["id"] for one in found.fuel.releases() if one["version"].endswith("7.0"))
        found.bind_seed(found.fuel.environment(ORIGINAL).clone("seed", release))
        found.stage, found.options = stage.get("upgrade-node"), {"node": HOST}
        found.nodes.octane_members_seen = lambda minion: {}
        found.nodes.octane_disk_known = lambda minion, names: names
        found.nodes.octane_disk_labels = lambda minion, names: LABELS
        found.nodes.octane_ceph_osd_homes = lambda minion: []
        found.nodes.octane_ceph_osd_require_claimed = lambda minion, names: LABELS
        found.nodes.octane_mcollective_status = lambda minion: {"agent": "", "harmless": True}
        host = found.fuel.node(HOST)
        flags = kept.flags(found.fuel.layout(HOST).disks())
        noted = {"node": HOST, "minion": MINION, "bucket": MINION, "since": 0, "flags": flags, "osds": LABELS}
        found.record(osd_host.HOST, {**noted, "addresses": dict(host.addresses)})
        yield found


def apply(context, step):
    if step.pending(context):
        step.apply(context)
    return step.verify(context)


def volumes(context):
    found = context.fuel.layout(HOST).disks()
    return {(disk["name"], one["name"], one["size"], one["keep_data"]) for disk in found for one in disk["volumes"]}


def test_what_fuel_lays_out_is_what_osds_have_and_its_flags_come_back(context):
    before = volumes(context)
    assert {disk for disk, name, size, _ in before if name == "ceph" and size} == {"vdb", "vdc"}
    parts = {name: {"size": 50 * 2**30, "partitions": []} for name in ("vda", "vdb", "vdc")}
    assert kept.problems(context.fuel.layout(HOST).disks(), parts, LABELS) == []
    assert apply(context, osd_steps.Keep())["kept"] == {"os": False, "vm": False, "cephjournal": True, "ceph": True}
    osd_steps.Keep().undo(context)
    assert volumes(context) == before


def test_it_moves_with_its_kept_volumes_and_is_deployed_alone(context):
    before = context.fuel.node(HOST)
    with pytest.raises(Refused, match="volume ceph would be formatted"):
        osd_steps.Move().apply(context)
    assert context.fuel.node(HOST).environment == ORIGINAL
    apply(context, osd_steps.Keep())
    layout = volumes(context)
    for _ in range(2):
        apply(context, osd_steps.Move())
    there = context.fuel.node(HOST)
    assert (there.environment, there.status, there.hostname) == (context.seed, "provisioned", before.hostname)
    assert there.roles == {"compute", "ceph-osd"} and there.addresses == before.addresses
    assert volumes(context) == layout
    apply(context, osd_steps.Keep())
    for _ in range(2):
        apply(context, osd_steps.Deploy())
    assert context.fuel.node(HOST).status == "ready"
    assert context.fuel.node(HOST).deployed == {"compute", "ceph-osd"}


def test_an_installation_that_failed_is_repeated_and_no_other_node_is_touched(context, tmp_path):
    apply(context, osd_steps.Keep())
    (tmp_path / "faults").mkdir()
    (tmp_path / "faults" / f"{MINION}.provision").touch()
    with pytest.raises(Failed, match="provision"):
        osd_steps.Move().apply(context)
    apply(context, osd_steps.Move())
    assert context.fuel.node(HOST).status == "provisioned"
    assert {node.id: node.status for node in context.fuel.environment(ORIGINAL).nodes()} == dict.fromkeys(
        (1, 2, 3, 5), "ready"
    )
