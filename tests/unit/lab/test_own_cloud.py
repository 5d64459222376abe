"""`octane-lab up --from CLOUD.yaml`: a cloud of one's own is what its file says, or is refused before it is made."""

from ipaddress import IPv4Address, IPv4Network

import pytest
import yaml

from lab import cli, cloud
from lab.state import Lab, nics_of

OWN = yaml.safe_load("""
name: mine
hosts:
  fuel: {kind: master}
  node-1: {roles: [controller]}
  node-2: {roles: [controller, cinder]}
  node-3: {roles: [controller]}
  node-4: {}
  node-9: {roles: [compute], disks_gib: [20]}
networks:
  admin: {cidr: 10.30.0.0/24, nic: eth0, gateway: 10.30.0.1, master: 10.30.0.2}
  public: {cidr: 192.0.2.0/25, nic: eth1, gateway: 192.0.2.1, floating: [192.0.2.100, 192.0.2.120]}
  management: {cidr: 10.31.0.0/24, nic: eth3, vlan: 301, gateway: 10.31.0.250}
  storage: {cidr: 10.32.0.0/24, nic: eth3, vlan: 302}
  private: {nic: eth2, vlans: [2000, 2030]}
environment: {name: ours}
content: {projects: 1, users: 1, images: 1, networks: 1, servers: 1, volumes: 1, stacks: 0}
""")


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "cloud.yaml"
    path.write_text(yaml.safe_dump(OWN))
    return path


@pytest.fixture
def up(monkeypatch, tmp_path):
    """Call `up`, and what it would bring up: directory and definition of each lab."""
    made = []
    monkeypatch.setattr(cli.machine, "require_root", lambda: None)
    monkeypatch.setattr(cloud, "up", lambda state, definition, options, **more: made.append((state, definition)))

    def call(*arguments):
        return cli.main(["--state", str(tmp_path / "lab"), "up", *map(str, arguments)]), made

    return call


def test_the_file_that_is_named_is_the_cloud_that_comes_up(up, file, tmp_path):
    assert up("--from", file) == (0, [(tmp_path / "lab", OWN)])


def test_a_wrong_file_is_refused_with_all_its_faults_before_anything_is_made(up, file, tmp_path, capsys):
    wrong = {**OWN, "hosts": {**OWN["hosts"], "node-3": {}, "fuel": {}}}
    file.write_text(yaml.safe_dump(wrong))
    assert up("--from", file) == (2, [])
    said = capsys.readouterr().err
    assert str(file) in said and "hosts.fuel" in said and "role controller, not 2" in said
    assert not (tmp_path / "lab").exists()


def test_a_file_and_a_profile_are_not_both_the_cloud(up, file, capsys):
    with pytest.raises(SystemExit) as ended:
        up("--from", file, "--profile", "small")
    assert ended.value.code == 2 and "not allowed with" in capsys.readouterr().err


@pytest.fixture
def described(tmp_path):
    """A lab of this cloud before its hosts are made: its Nailgun's state and the old environment to be deployed."""
    lab = Lab.create(tmp_path / "lab", OWN)
    state, _ = cloud.describe(lab)
    return lab, state, cloud.old_environment(lab)


def test_its_hosts_have_the_roles_disks_and_cables_of_the_file(described):
    lab, state, environment = described
    assert {node.name: set(node.roles) for node in environment.nodes} == {
        "node-1": {"primary-controller"},
        "node-2": {"controller", "cinder"},
        "node-3": {"controller"},
        "node-9": {"compute"},
    }
    assert {row["id"] for row in state.rows("nodes") if row["cluster"] is None} == {4}
    assert nics_of(lab.definition) == {"eth0": "admin", "eth1": "public", "eth2": "private", "eth3": "trunk"}
    compute = next(row for row in state.rows("nodes") if row["id"] == 9)
    assert max(disk["size"] for disk in compute["meta"]["disks"][1:]) == 20 * 2**30


def test_its_addresses_are_in_the_networks_of_the_file(described):
    _, state, environment = described
    networks = {name: IPv4Network(OWN["networks"][name]["cidr"]) for name in ("public", "management", "storage")}
    sides = {"vrouter": "management", "vrouter_pub": "public"}
    for addresses in (environment.vips, *(node.addresses for node in environment.nodes)):
        outside = [name for name, at in addresses.items() if IPv4Address(at) not in networks[sides.get(name, name)]]
        assert addresses and outside == []
    assert {row["ip"].rpartition(".")[0] for row in state.rows("nodes")} == {"10.30.0"}


def test_its_environment_is_the_one_of_the_file(described):
    _, state, _ = described
    assert [row["name"] for row in state.rows("clusters")] == ["ours"]
