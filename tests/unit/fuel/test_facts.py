import copy

import pytest

from octane.fuel import facts

SURROUNDINGS = facts.Surroundings(master="10.20.0.2", admin_gateway="10.20.0.1")


@pytest.fixture
def fact():
    return {
        "uid": "4",
        "fqdn": "node-4.domain.tld",
        "role": "primary-controller",
        "quantum_settings": {"predefined_networks": {"net04": {}}, "L3": {"use_namespaces": True}},
        "external_dns": {"dns_list": "8.8.8.8", "metadata": {}},
        "external_ntp": {"ntp_list": "0.pool.ntp.org"},
        "network_scheme": {
            "provider": "lnx",
            "roles": {"mgmt/vip": "br-mgmt", "public/vip": "br-ex", "admin/pxe": "br-fw-admin"},
            "endpoints": {"br-ex": {"IP": ["172.16.0.4/24"], "gateway": "172.16.0.1"}},
            "transformations": [
                {"action": "add-port", "name": "eth1", "bridge": "br-ex"},
                {"action": "add-port", "name": "eth2.101", "bridge": "br-mgmt"},
            ],
        },
    }


def test_an_isolated_controller_uses_what_it_reaches(fact):
    changed = facts.isolated(fact, SURROUNDINGS)
    assert changed["external_dns"] == {"dns_list": "10.20.0.2", "metadata": {}}
    assert changed["external_ntp"]["ntp_list"] == "10.20.0.2"
    assert changed["run_ping_checker"] is False
    assert changed["quantum_settings"] == {"predefined_networks": {}, "L3": {"use_namespaces": True}}


def test_everything_else_stays_and_the_original_too(fact):
    before = copy.deepcopy(fact)
    changed = facts.isolated(fact, SURROUNDINGS)
    assert fact == before
    assert {key: changed[key] for key in ("uid", "role", "fqdn")} == {key: fact[key] for key in ("uid", "role", "fqdn")}


def test_old_values_leave_out_what_was_not_there(fact):
    paths = list(facts.temporary_values(SURROUNDINGS))
    assert facts.values(fact, paths) == {
        "quantum_settings.predefined_networks": {"net04": {}},
        "external_dns.dns_list": "8.8.8.8",
        "external_ntp.ntp_list": "0.pool.ntp.org",
    }


def test_tasks_vanish_with_every_mention_of_them():
    tasks = [
        {"id": "upload_cirros", "required_for": ["post_deployment_end"]},
        {"id": "nova", "requires": ["upload_cirros", "database"], "required_for": ["ceph_ready_check", "deploy_end"]},
        {"id": "deploy_end", "type": "stage"},
    ]
    assert facts.without_tasks(tasks) == [
        {"id": "nova", "requires": ["database"], "required_for": ["deploy_end"]},
        {"id": "deploy_end", "type": "stage"},
    ]
    assert facts.without_tasks(facts.without_tasks(tasks)) == facts.without_tasks(tasks)
