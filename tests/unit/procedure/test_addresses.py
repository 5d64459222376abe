from octane.procedure.addresses import duplicates, pairs
from tests.unit.procedure.nodes import addresses, controller

ORIGINALS = [
    controller(
        1, network_data=addresses(management="192.168.0.3/24", public="172.16.0.4/24", storage="192.168.1.1/24")
    ),
    controller(
        2, network_data=addresses(management="192.168.0.4/24", public="172.16.0.5/24", storage="192.168.1.2/24")
    ),
]


def test_a_pair_has_both_addresses_in_common():
    seeds = [
        controller(
            4, network_data=addresses(management="192.168.0.4/24", public="172.16.0.5/24", storage="192.168.1.7/24")
        ),
        controller(5, network_data=addresses(management="192.168.0.3/24", public="172.16.0.9/24")),
        controller(6),
    ]
    assert pairs(ORIGINALS, seeds) == {"node-4": "node-2"}


def test_addresses_in_networks_that_stay_connected_must_differ():
    copied = addresses(management="192.168.0.3/24", public="172.16.0.4/24", storage="192.168.1.1/24")
    assert duplicates(ORIGINALS, [controller(4, network_data=copied)]) == ["192.168.1.1/24"]
    assert duplicates(ORIGINALS, [controller(4, network_data=copied[:2])]) == []
