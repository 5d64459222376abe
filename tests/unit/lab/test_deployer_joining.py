"""A controller that is deployed where others serve joins them: nothing is begun anew, and the others learn of it."""

from types import SimpleNamespace

import pytest

from lab.deployer import deployment
from lab.deployer.environment import parse
from lab.nailgun import facts as nailgun_facts
from tests.unit.lab.deployment_facts import facts


class Recorder:
    """Stands for the parts of a deployment: what was asked of them, in its order."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, what):
        return lambda *given, **options: self.asked.append(what)


class FakeHost:
    def __init__(self, name, asked):
        self.name = name
        self.asked = asked

    def is_running(self):
        return True

    def run(self, argv, **options):
        self.asked.append(f"{self.name}: {' '.join(argv)}")


@pytest.fixture
def recorder(monkeypatch):
    made = Recorder()
    for module, names in {
        deployment.cloud: ("copy_keys", "wait_answering", "wait_agents", "synchronise", "make_resources"),
        deployment.cluster: ("wait_online",),
    }.items():
        for name in names:
            monkeypatch.setattr(module, name, made(name))
    monkeypatch.setattr(deployment.galera, "is_synced", lambda host: True)
    monkeypatch.setattr(deployment.galera, "bootstrap", made("bootstrap"))
    monkeypatch.setattr(deployment.Deployment, "_configure", lambda self, node: None)
    monkeypatch.setattr(deployment.Deployment, "_await_members", made("await_members"))
    return made


def deploy(recorder, elements, changed=None):
    environment = parse(elements)
    hosts = {node.uid: FakeHost(node.name, recorder.asked) for node in environment.nodes}
    venvs = {environment.openstack_release: None}
    made = deployment.Deployment(environment, hosts, venvs, lambda uid, percent: None, {})
    made.changed = changed or {}
    return made.run()


def with_status(elements, **statuses):
    """ELEMENTS of the controllers named ``node_1`` ..., with their statuses."""
    wanted = {name.removeprefix("node_"): status for name, status in statuses.items()}
    return [{**one, "status": wanted[one["uid"]]} for one in elements if one["uid"] in wanted]


def test_one_that_comes_back_joins_and_the_others_are_not_touched(recorder):
    assert deploy(recorder, with_status(facts(), node_3="provisioned")) == {"3": None}
    assert "bootstrap" not in recorder.asked and "synchronise" not in recorder.asked
    assert not [one for one in recorder.asked if one.startswith(("node-1:", "node-2:"))]
    assert "copy_keys" in recorder.asked and "make_resources" not in recorder.asked


def test_those_that_serve_learn_of_it_and_restart_only_once_it_answers(recorder):
    changed = {"1": ["/etc/corosync/corosync.conf", "/etc/haproxy/conf.d/020-keystone-1.cfg"]}
    elements = with_status(facts("7.0", controllers=2), node_1="ready", node_2="provisioned")
    assert deploy(recorder, elements, changed) == {"1": None, "2": None}
    asked = recorder.asked
    reload, joined = asked.index("node-1: corosync-cfgtool -R"), asked.index("wait_online")
    balanced = next(number for number, one in enumerate(asked) if one.startswith("node-1: env") and "reload" in one)
    started = next(number for number, one in enumerate(asked) if one.startswith("node-1: systemctl start"))
    answered = asked.index("wait_answering")
    assert reload < joined < answered < balanced < started


def test_the_first_deployment_begins_a_cluster(recorder, monkeypatch):
    monkeypatch.setattr(deployment.galera, "is_synced", lambda host: False)
    assert deployment.Deployment._is_there(SimpleNamespace(
        environment=parse(with_status(facts(), node_1="ready")), primary=FakeHost("node-1", [])
    )) is False


def row(number, status, primary=()):
    roles = {"roles": ["controller"], "pending_roles": [], "primary_roles": list(primary)}
    return {"id": number, "status": status, **roles}


def test_a_controller_that_is_ready_becomes_the_primary_one_before_one_that_is_not():
    members = [row(1, "provisioned"), row(2, "ready"), row(3, "ready")]
    nailgun_facts.set_primary(members)
    assert [node["primary_roles"] for node in members] == [[], ["controller"], []]


def test_the_primary_one_stays_when_another_of_lower_number_comes_back():
    members = [row(1, "ready"), row(2, "ready", ["controller"])]
    nailgun_facts.set_primary(members)
    assert members[0]["primary_roles"] == []
