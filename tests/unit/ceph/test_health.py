"""Health of old and new releases, and what may not begin while a check is raised."""

import pytest

from octane.ceph import health
from octane.ceph.health_checks import KINDS, MONITORS, OSDS
from octane.errors import BadInput, Refused
from tests.unit.ceph.recorded import files, load

CLOCK = {"name": "node-3", "skew": "0.161329", "latency": "0.000835", "health": "HEALTH_WARN"}


def old(*sentences, verdict="HEALTH_WARN", **more):
    return {
        "health": {"health_services": []},
        "summary": [{"severity": "HEALTH_WARN", "summary": sentence} for sentence in sentences],
        "overall_status": verdict,
        "detail": [],
        **more,
    }


def new(verdict="HEALTH_WARN", **checks):
    return {
        "status": verdict,
        "checks": {
            name: {"severity": "HEALTH_WARN", "summary": {"message": message, "count": 1}, "detail": [], "muted": False}
            for name, message in checks.items()
        },
        "mutes": [],
    }


def names(document):
    return [reason.name for reason in health.read(document).reasons]


def in_the_way(document):
    found = health.read(document)
    return {what for what in (MONITORS, OSDS) if found.stopping(what)}


def test_nothing_is_in_the_way_of_a_healthy_cluster():
    for document in (old(verdict="HEALTH_OK"), new("HEALTH_OK"), {"health": new("HEALTH_OK"), "fsid": "f"}):
        found = health.read(document)
        assert found == health.Health("HEALTH_OK", ())
        health.require(found, MONITORS)


@pytest.mark.parametrize(
    ("sentence", "name", "stops"),
    [
        ("1 mons down, quorum 0,1 node-1,node-2", "MON_DOWN", {MONITORS, OSDS}),
        ("Monitor clock skew detected ", "MON_CLOCK_SKEW", {MONITORS}),
        ("mon.node-1 low disk space", "MON_DISK_LOW", set()),
        ("mon.node-1 low disk space, shutdown imminent", "MON_DISK_CRIT", {MONITORS, OSDS}),
        ("2/6 in osds are down", "OSD_DOWN", {MONITORS, OSDS}),
        ("256 pgs stuck undersized", "PG_DEGRADED", {MONITORS, OSDS}),
        ("3 pgs backfilling", "OBJECT_MISPLACED", {MONITORS, OSDS}),
        ("1 pgs inconsistent", "PG_DAMAGED", {MONITORS, OSDS}),
        ("282 pgs peering", "PG_AVAILABILITY", {MONITORS, OSDS}),
        ("recovery 52/471 objects degraded (11.040%)", "PG_DEGRADED", {MONITORS, OSDS}),
        ("recovery 31/471 objects misplaced (6.582%)", "OBJECT_MISPLACED", {MONITORS, OSDS}),
        ("recovery 1/471 unfound (0.212%)", "OBJECT_UNFOUND", {MONITORS, OSDS}),
        ("2 scrub errors", "OSD_SCRUB_ERRORS", {MONITORS, OSDS}),
        ("1 full osd(s)", "OSD_FULL", {MONITORS, OSDS}),
        ("1 near full osd(s)", "OSD_NEARFULL", {OSDS}),
        ("no osds", "TOO_FEW_OSDS", {MONITORS, OSDS}),
        ("too few pgs per osd (10 < min 20)", "TOO_FEW_PGS", set()),
        ("too many PGs per OSD (384 > max 300)", "TOO_MANY_PGS", set()),
        ("pool volumes pg_num 128 > pgp_num 64", "SMALLER_PGP_NUM", set()),
        ("crush map has legacy tunables (require bobtail, min is firefly)", "OLD_CRUSH_TUNABLES", set()),
        ("12 requests are blocked > 32 sec", "SLOW_OPS", {MONITORS, OSDS}),
        ("noout flag(s) set", "OSDMAP_FLAGS noout", set()),
        ("nodown flag(s) set", "OSDMAP_FLAGS nodown", {OSDS}),
        ("pauserd,pausewr flag(s) set", "OSDMAP_FLAGS pauserd", {MONITORS, OSDS}),
    ],
)
def test_a_sentence_of_an_old_release_is_a_check(sentence, name, stops):
    assert names(old(sentence))[0] == name
    assert in_the_way(old(sentence)) == stops


def test_sentences_of_one_check_are_one_reason_with_its_details():
    details = ["pg 3.1f is stuck unclean for 912.5, current state active+degraded, last acting [0,2]", "osd.1 is down"]
    found = health.read(old("256 pgs degraded", "256 pgs stuck unclean", "1/6 in osds are down", detail=details))
    assert [(one.name, one.detail) for one in found.reasons] == [
        ("PG_DEGRADED", (details[0],)),
        ("OSD_DOWN", (details[1],)),
    ]
    assert found.reasons[0].messages == ("256 pgs degraded", "256 pgs stuck unclean")


def test_the_clock_of_firefly_is_told_by_timechecks_alone():
    document = old(timechecks={"epoch": 10, "round": 2, "round_status": "finished", "mons": [CLOCK]})
    assert names(document) == ["MON_CLOCK_SKEW"]
    assert in_the_way(document) == {MONITORS}


def test_a_monitor_whose_disk_is_almost_full_is_told_before_it_stops():
    disks = {"health_services": [{"mons": [{"name": "node-1", "avail_percent": 4}]}]}
    with pytest.raises(Refused, match=r"MON_DISK_CRIT: mon\.node-1 low disk space.* 4%"):
        health.require(health.read(old(health=disks, verdict="HEALTH_ERR")), MONITORS)
    assert not health.read(
        old(health={"health_services": [{"mons": [{"name": "a", "avail_percent": 5}]}]}, verdict="HEALTH_OK")
    ).reasons


@pytest.mark.parametrize("name", KINDS)
def test_a_check_of_a_new_release_is_known_by_its_name(name):
    (reason,) = health.read(new(**{name: "a message"})).reasons
    assert reason.kind is KINDS[name] and reason.messages == ("a message",)
    assert reason.kind.remedy


def test_each_flag_is_a_check_of_its_own():
    document = new(OSDMAP_FLAGS="noout,norebalance flag(s) set")
    assert names(document) == ["OSDMAP_FLAGS noout", "OSDMAP_FLAGS norebalance"]
    assert in_the_way(document) == {OSDS}


@pytest.mark.parametrize(
    "document",
    [
        old("the moon is full"),
        old("3 pgs moonstruck"),
        old("nomoon flag(s) set"),
        new(MOON_FULL="it is"),
        new(OSDMAP_FLAGS="nomoon flag(s) set"),
    ],
)
def test_what_is_unknown_stops_everything_and_is_named(document):
    assert in_the_way(document) == {MONITORS, OSDS}
    with pytest.raises(Refused, match=r"(?i)moon"):
        health.require(health.read(document), OSDS)


def test_a_warning_without_a_reason_is_unknown():
    assert names(old()) == ["HEALTH_WARN without a reason"]
    assert in_the_way(new()) == {MONITORS, OSDS}


def test_the_summary_of_luminous_is_not_trusted():
    document = {
        **new("HEALTH_OK"),
        "summary": [{"severity": "HEALTH_WARN", "summary": "'ceph health' JSON format has changed in luminous"}],
        "overall_status": "HEALTH_WARN",
    }
    assert health.read(document) == health.Health("HEALTH_OK", ())
    assert names({"health": {**document, "status": "HEALTH_WARN"}}) == ["HEALTH_WARN without a reason"]


def test_a_check_that_somebody_muted_still_stops():
    document = new("HEALTH_OK", OSD_DOWN="1 osds down")
    document["checks"]["OSD_DOWN"]["muted"] = True
    assert in_the_way(document) == {MONITORS, OSDS} and health.read(document).reasons[0].muted


def test_what_is_no_health_is_refused():
    with pytest.raises(BadInput, match="ceph health detail"):
        health.read({"fsid": "f"})


@pytest.mark.parametrize("path", files("health_detail*.json", "status*.json"))
def test_every_recorded_health_has_only_known_reasons(path):
    document = load(path)
    found = health.read(document)
    told = (document if "overall_status" in document else document["health"])["overall_status"]
    assert found.verdict == told and bool(found.reasons) == (told != health.OK)
    unexplained = ["HEALTH_WARN without a reason"] if path.name == "status_warn_datadog.json" else []
    assert [one.name for one in found.reasons if one.kind.remedy.startswith("it is not known")] == unexplained
    details = {line for one in found.reasons for line in one.detail}
    assert details == set(document.get("detail", ()))
