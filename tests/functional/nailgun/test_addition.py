"""Our clone_ips in a running Nailgun: added by one edit, refused where it must be, taken out to the byte."""

import hashlib

import pytest

from octane.errors import Refused
from octane.fuel.errors import BadRequest
from octane.procedure import addition
from tests.functional.nailgun.server import CONTROLLERS, ORIGINAL, SPARES


def sums(master):
    files = [path for path in master.site_packages.rglob("*") if path.is_file()]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_it_is_served_only_after_it_was_added(master, nailgun):
    assert addition.serves(master.fuel) is False
    ours = addition.addition()
    ours.install()
    ours.restart(master.fuel, expected=True)
    assert ours.changes() == {}


def test_every_byte_comes_back(master, nailgun):
    before = sums(master)
    ours = addition.addition()
    ours.install()
    ours.restart(master.fuel, expected=True)
    ours.remove()
    ours.restart(master.fuel, expected=False)
    assert sums(master) == before
    assert not (master.extensions / addition.PACKAGE).exists()


def test_compiled_code_of_ours_goes_too(master, nailgun):
    ours = addition.addition()
    ours.install()
    (master.extensions / addition.PACKAGE / "handlers.pyc").write_bytes(b"")
    (master.extensions / addition.PACKAGE / "__pycache__").mkdir()
    ours.remove()
    assert not (master.extensions / addition.PACKAGE).exists()


def test_a_file_that_somebody_changed_is_refused_by_name(prepared):
    base = prepared.extensions / "base.py"
    base.write_text(base.read_text() + "# an operator was here\n")
    with pytest.raises(Refused, match=r"base\.py"):
        addition.addition().install()
    with pytest.raises(Refused, match=r"base\.py"):
        addition.addition().remove()


def test_a_lost_index_does_not_hook_twice(prepared, tmp_path):
    hooked = (prepared.extensions / "base.py").read_text()
    (tmp_path / "var" / "pristine" / "index.json").unlink()
    ours = addition.addition()
    assert ours.changes() == {}
    ours.install()
    assert (prepared.extensions / "base.py").read_text() == hooked
    ours.remove()
    assert "CloneIPs" not in (prepared.extensions / "base.py").read_text()


@pytest.fixture
def pair(prepared):
    """The original and a seed with all spare nodes as controllers."""
    fuel = prepared.fuel
    original = fuel.environment(ORIGINAL)
    seed = fuel.environment(original.clone("seed", 4))
    seed.assign(SPARES, ["controller"])
    for node_id in SPARES:
        partner = fuel.layout(CONTROLLERS[0]).interfaces()
        networks = {net["name"]: net["id"] for net in seed.network()["networks"]}
        from octane.fuel import layout

        fuel.layout(node_id).set_interfaces(
            layout.interfaces(partner, fuel.layout(node_id).interfaces(), networks, "n")
        )
    return original, seed


def test_pairs_are_by_ascending_id_and_returned(pair):
    original, seed = pair
    answer = original.clone_ips(["management", "public"])
    assert [(entry["original"], entry["seed"]) for entry in answer] == list(zip(CONTROLLERS, SPARES, strict=True))
    ours = {node.id: node.addresses for node in seed.nodes()}
    theirs = {node.id: node.addresses for node in original.nodes()}
    for old, new in zip(CONTROLLERS, SPARES, strict=True):
        assert {name: ours[new][name] for name in ("management", "public")} == {
            name: theirs[old][name] for name in ("management", "public")
        }


def test_other_networks_keep_addresses_of_their_own(pair):
    original, seed = pair
    original.clone_ips(["management", "public"])
    storage = [node.addresses["storage"] for node in [*original.nodes(), *seed.nodes()]]
    assert len(storage) == len(set(storage))
    admin = {node.admin_address for node in seed.nodes()}
    assert admin == {node.addresses["fuelweb_admin"].partition("/")[0] for node in seed.nodes()}


def test_a_second_time_changes_nothing(pair):
    original, seed = pair
    first = original.clone_ips(["management", "public"])
    before = {node.id: node.addresses for node in seed.nodes()}
    assert original.clone_ips(["management", "public"]) == first
    assert {node.id: node.addresses for node in seed.nodes()} == before


def test_the_vips_of_the_seed_stay(pair):
    original, seed = pair
    before = seed.network()["vips"]
    original.clone_ips([])
    assert seed.network()["vips"] == before


def test_a_seed_in_place_of_an_original_is_refused(pair):
    _, seed = pair
    with pytest.raises(BadRequest, match=f"no original cluster with ID {seed.id}"):
        seed.clone_ips([])


def test_what_is_in_no_pair_is_refused(prepared):
    with pytest.raises(BadRequest, match="not in upgrade stage"):
        prepared.fuel.environment(ORIGINAL).clone_ips([])


def test_an_unknown_network_is_refused_by_name(pair):
    original, _ = pair
    with pytest.raises(BadRequest, match="nosuch"):
        original.clone_ips(["management", "nosuch"])


def test_a_seed_without_controllers_is_refused(prepared):
    original = prepared.fuel.environment(ORIGINAL)
    original.clone("seed", 4)
    with pytest.raises(BadRequest, match="no controller"):
        original.clone_ips([])


def test_a_body_of_another_shape_is_refused(pair):
    original, _ = pair
    with pytest.raises(BadRequest):
        original._connection.post_request(f"clusters/{original.id}/upgrade/clone_ips", {})
