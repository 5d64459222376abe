"""Waves of computes: every plan is gone through as a cloud would, and compared with what none can do better."""

import json
import random
from collections import Counter, defaultdict

import pytest

from lab.bench import plan as made_up
from octane.cli.app import OctaneApp
from octane.errors import BadInput
from octane.plan import bound, waves
from octane.plan.computes import AMOUNTS, parse
from octane.plan.waves import Durations, Limits

DURATIONS = Durations(migration=30, installation=2400)


def compute(name, size=8, **more):
    return {"name": name, "vcpus": size, "memory_mb": size * 1024, "disk_gb": size * 10, **more}


def guest(name, host, size=1, **more):
    return {"id": name, "host": host, "vcpus": size, "memory_mb": size * 1024, "disk_gb": size * 10, **more}


def document(computes, guests, **groups):
    return {"computes": computes, "guests": guests, "groups": groups}


def names(plan):
    return [list(wave.computes) for wave in plan.waves]


class Referee:
    """A cloud that does what a plan says and minds what nova's scheduler would not have allowed."""

    def __init__(self, document):
        self.computes = {one["name"]: one for one in document["computes"]}
        self.guests = {one["id"]: one for one in document["guests"]}
        self.groups = document["groups"]
        self.at = {name: one["host"] for name, one in self.guests.items()}
        self.upgraded = {name for name, one in self.computes.items() if one.get("upgraded")}
        self.moved = Counter()

    def run(self, plan):
        for wave in plan.waves:
            assert not self.upgraded & set(wave.computes), "a compute is upgraded twice"
            for one in wave.migrations:
                self.migrate(one, wave)
            for name, host in self.at.items():
                assert self.guests[name].get("stays") or host not in wave.computes, f"{name} is on a compute that goes"
            self.upgraded |= set(wave.computes)
        return self

    def migrate(self, one, wave):
        guest = self.guests[one.guest]
        assert not guest.get("stays") and self.at[one.guest] == one.source and one.source in wave.computes
        assert one.target not in wave.computes and one.again == (one.target not in self.upgraded)
        assert set(guest.get("traits", ())) <= set(self.computes[one.target].get("traits", ()))
        self.at[one.guest] = one.target
        self.moved[one.guest] += 1
        there = [self.guests[name] for name, host in self.at.items() if host == one.target]
        for amount in AMOUNTS:
            assert sum(one[amount] for one in there) <= self.computes[one.target][amount], f"{one.target} is too full"
        if self.groups.get(guest.get("group")) == "anti-affinity":
            assert [one.get("group") for one in there].count(guest["group"]) == 1, "a group is not kept apart"

    def is_together(self):
        hosts = defaultdict(set)
        for name, guest in self.guests.items():
            if self.groups.get(guest.get("group")) == "affinity":
                hosts[guest["group"]].add(self.at[name])
        return all(len(found) == 1 for found in hosts.values())


def planned(document, **limits):
    """The plan of a cloud, gone through by the referee."""
    plan = waves.plan(parse(document), Limits(**limits))
    return plan, Referee(document).run(plan)


def test_empty_computes_go_first_and_guests_move_once():
    cloud = document(
        [compute(f"node-{n}") for n in range(4)],
        [guest(f"g{n}", f"node-{n // 4}") for n in range(12)],
    )
    plan, referee = planned(cloud)
    assert names(plan)[0] == ["node-3"] and not plan.left
    assert set(referee.moved.values()) == {1} and len(referee.moved) == 12


def test_where_none_is_empty_one_goes_first_all_the_same():
    cloud = document([compute("a"), compute("b")], [guest("1", "a"), guest("2", "b"), guest("3", "b")])
    plan, referee = planned(cloud)
    assert names(plan) == [["a"], ["b"]]
    assert referee.moved == {"1": 2, "2": 1, "3": 1}


def test_a_wave_is_as_large_as_was_asked_and_the_first_one_too():
    cloud = document([compute(f"node-{n}") for n in range(9)], [])
    plan, _ = planned(cloud, wave=4, canary=1)
    assert [len(wave.computes) for wave in plan.waves] == [1, 4, 4]


def test_computes_with_osds_go_by_failure_domains():
    cloud = document([compute(f"node-{n}", domain=f"rack-{n % 3}") for n in range(6)], [])
    plan, _ = planned(cloud, domains=1)
    assert [{int(name[-1]) % 3 for name in wave} for wave in names(plan)] == [{0}, {1}, {2}]


def test_guests_that_stay_keep_their_compute_and_their_room():
    cloud = document(
        [compute("a"), compute("b", upgraded=True)],
        [guest("1", "a", stays=True), guest("2", "a", 4), guest("3", "b", 4, stays=True)],
    )
    plan, referee = planned(cloud)
    assert names(plan) == [["a"]] and referee.at == {"1": "a", "2": "b", "3": "b"}


def test_upgraded_computes_are_used_and_never_emptied():
    cloud = document([compute("a"), compute("b", upgraded=True)], [guest("1", "a"), guest("2", "b")])
    plan, referee = planned(cloud)
    assert names(plan) == [["a"]] and referee.moved == {"1": 1}


def test_what_cannot_be_emptied_is_said_with_the_guest_that_keeps_it():
    cloud = document(
        [compute("a"), compute("b"), compute("fast", traits=["ssd"])],
        [guest("1", "a"), guest("needs it", "fast", traits=["ssd"])],
    )
    plan, _ = planned(cloud)
    assert [(one.compute, one.reason) for one in plan.left] == [("fast", "no other compute has room for needs it")]
    assert {name for wave in names(plan) for name in wave} == {"a", "b"}


def test_a_kind_of_compute_without_an_upgraded_one_gets_one_though_too_many_guests_move_twice():
    cloud = document(
        [compute("a"), compute("f1", traits=["ssd"]), compute("f2", traits=["ssd"])],
        [guest("1", "f1", traits=["ssd"]), guest("2", "f2", traits=["ssd"])],
    )
    plan, referee = planned(cloud, twice=0)
    assert not plan.left and sorted(referee.moved.values()) == [1, 2]


def test_a_group_that_keeps_apart_is_kept_apart_and_one_that_stays_together_moves_together():
    computes = [compute(f"node-{n}", 4) for n in range(5)]
    guests = [guest(f"apart-{n}", f"node-{n}", group="apart") for n in range(3)]
    guests += [guest(f"close-{n}", "node-3", group="close") for n in range(3)]
    cloud = document(computes, guests, apart="anti-affinity", close="affinity")
    plan, referee = planned(cloud)
    assert not plan.left and referee.is_together()


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("limits", [{}, {"wave": 3, "canary": 1}, {"twice": 0.2}], ids=str)
def test_plans_of_made_up_clouds_can_be_gone_and_are_no_better_than_can_be(seed, limits):
    cloud = made_up.cloud(40, 800, seed)
    for one in cloud["computes"] + cloud["guests"]:
        one["traits"] = one["traits"][:1]  # a zone so small has but one compute of a rarer kind, which cannot go
    plan, referee = planned(cloud, **limits)
    read, bounds = parse(cloud), Limits(**limits)
    assert not plan.left and len(referee.upgraded) == 40 and len(referee.moved) == 800
    assert len(plan.waves) >= bound.waves(read, bounds)
    assert plan.seconds(bounds, DURATIONS) >= bound.seconds(read, bounds, DURATIONS)


@pytest.mark.parametrize("seed", range(30))
def test_no_order_of_a_small_cloud_needs_fewer_waves_than_the_bound(seed):
    chance = random.Random(seed)
    counts = [chance.randint(0, 4) for _ in range(5)]
    cloud = document(
        [compute(f"node-{n}", 5) for n in range(5)],
        [guest(f"g{n}-{m}", f"node-{n}") for n, count in enumerate(counts) for m in range(count)],
    )
    limits = Limits(twice=1)
    assert bound.waves(parse(cloud), limits) <= fewest_waves(counts, 5)


def fewest_waves(counts, size):
    """With guests of one size, each free to move twice: as many as it takes for spare computes to go round."""
    spare = (size * len(counts) - sum(counts)) // size
    return -(-len(counts) // spare) if spare else float("inf")


def test_the_bound_knows_sizes_of_waves_and_what_is_upgraded():
    free = document([compute(f"node-{n}") for n in range(9)], [])
    assert bound.waves(parse(free), Limits(wave=2)) == 5
    assert bound.waves(parse(document([compute("a", upgraded=True)], [])), Limits()) == 0


def test_planning_is_the_same_each_time():
    cloud = made_up.cloud(30, 800, 3)
    assert waves.plan(parse(cloud), Limits()) == waves.plan(parse(cloud), Limits())


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ([], "a JSON object"),
        ({"computes": 1, "guests": []}, "computes of the snapshot"),
        (document([{"name": "a"}], []), "vcpus, memory_mb, disk_gb of compute a"),
        (document([compute("a", True)], []), "vcpus"),
        (document([compute("a"), compute("a")], []), "compute a is there twice"),
        (document([compute("a")], [guest("1", "b")]), "guest 1 is on b"),
        (document([compute("a")], [guest("1", "a", group="g")]), "server group g"),
        (document([compute("a")], [], g="soft"), "policies of server groups"),
        (document([compute("a", upgraded="yes")], []), "neither true nor false"),
        (document([compute("a", traits="az")], []), "list of names"),
    ],
)
def test_a_snapshot_that_is_wrong_is_refused_with_what_is_wrong(wrong, said):
    with pytest.raises(BadInput, match=said):
        parse(wrong)


@pytest.mark.parametrize("limits", [{"wave": 0}, {"twice": 2}, {"at_once": 0}])
def test_limits_that_cannot_be_are_refused(limits):
    with pytest.raises(BadInput, match="limits"):
        Limits(**limits)


def test_the_command_prints_the_plan(tmp_path, capfd):
    path = tmp_path / "cloud.json"
    path.write_text(json.dumps(document([compute("a"), compute("b")], [guest("1", "a")])))
    assert OctaneApp().run(["plan", "waves", str(path), "-f", "json"]) == 0
    told = json.loads(capfd.readouterr().out)
    assert [wave["computes"] for wave in told["waves"]] == [["b"], ["a"]]
    assert told["waves"][1]["migrations"] == [{"guest": "1", "source": "a", "target": "b", "again": False}]
    assert told["seconds"] >= told["least"]["seconds"] > 0
    assert OctaneApp().run(["plan", "waves", str(path)]) == 0
    assert "1 migrations of 1 guests" in capfd.readouterr().out


def test_the_command_says_what_cannot_go_and_ends_with_1(tmp_path, capfd):
    path = tmp_path / "cloud.json"
    path.write_text(json.dumps(document([compute("a")], [guest("1", "a")])))
    assert OctaneApp().run(["plan", "waves", str(path)]) == 1
    assert "a cannot go: no other compute has room for 1" in capfd.readouterr().out


def test_the_command_names_a_file_that_is_no_snapshot(tmp_path, capfd):
    path = tmp_path / "cloud.json"
    path.write_text("{")
    assert OctaneApp().run(["plan", "waves", str(path)]) == 2
    assert "cloud.json" in capfd.readouterr().err
