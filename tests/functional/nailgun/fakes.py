"""Nodes and keys that do not exist: they answer as nodes in the state that Fuel tells of would."""

from octane.errors import NodeFailed
from octane.fuel.uplinks import is_isolated


class FakeKeys:
    """The Salt master's keys, all accepted."""

    def __init__(self) -> None:
        self.known = {}

    def list(self):
        return dict(self.known)

    def accept(self, minion):
        self.known[minion]["state"] = "accepted"

    def delete(self, minion):
        self.known.pop(minion, None)

    def master_fingerprint(self):
        return "aa:bb"


class FakeNodes:
    """Every node has a MAC address for each bridge; whoever is asked hears those nodes that share its network.

    `leaks` are minion ids of seed controllers whose isolation failed; `joined` counts overlays made.
    """

    def __init__(self, fuel, seed=lambda: None) -> None:
        self.fuel = fuel
        self.seed = seed
        self.leaks = set()
        self.overlays = {}
        self.calls = []

    def ping(self, targets, timeout=10):
        return set(targets)

    answering = ping

    def call(self, targets, fun, *args, timeout=60, **kwargs):
        self.calls.append((tuple(targets), fun))
        answer = getattr(self, fun.replace(".", "_"))
        answers = {minion: answer(minion, *args, **kwargs) for minion in targets}
        for minion, told in answers.items():
            if told is False:
                raise NodeFailed(minion, fun, "returned False")
        return answers

    def state(self, targets, fun, *, test=False, timeout=60, **kwargs):
        assert fun == "octane_net.overlays"
        found = {}
        for minion in targets:
            wanted = {plan["bridge"]: plan["remotes"] for plan in kwargs["plans"][minion]}
            changes = {} if self.overlays.get(minion) == wanted else dict.fromkeys(wanted, "joined")
            if not test:
                self.overlays[minion] = wanted
            found[minion] = {"result": None if changes and test else True, "changes": changes, "comment": ""}
        return found

    def _node(self, minion):
        return next(node for node in self.fuel.nodes() if node.minion == minion)

    def octane_net_macs(self, minion):
        number = self._node(minion).id
        return {bridge: f"52:54:00:00:{index:02x}:{number:02x}" for index, bridge in enumerate(("br-mgmt", "br-ex"))}

    def octane_net_mtu_to(self, minion, remote, size):
        return {"whole": size <= 1500}

    def octane_net_addresses(self, minion):
        """As the uploaded facts say, once any deployment task ran on the node; nothing before."""
        node = self._node(minion)
        facts = [f for f in self.fuel.environment(node.environment).facts() if f["uid"] == str(node.id)]
        if not facts or not node.deployed:
            return {}
        found = facts[0]["network_scheme"]
        bridges = {
            bridge: {"addresses": list(entry["IP"]), "ports": []} for bridge, entry in found["endpoints"].items()
        }
        for step in found["transformations"]:
            if step["action"] == "add-port" and step.get("bridge") in bridges:
                bridges[step["bridge"]]["ports"].append(step["name"])
        return bridges

    def octane_net_hears(self, minion, asked):
        asker = self._node(minion)
        return {
            entry["address"]: [
                self.octane_net_macs(node.minion)[entry["interface"]]
                for node in self.fuel.nodes()
                if self._reaches(asker, node) and self._holds(node, entry["address"])
            ]
            for entry in asked[minion]
        }

    def _reaches(self, asker, other):
        if asker.id == other.id or other.environment is None:
            return False
        loose = {asker.minion, other.minion} & self.leaks
        return asker.environment == other.environment or bool(loose)

    def _holds(self, node, address):
        return address in {held.partition("/")[0] for held in node.addresses.values()}


def isolated_everywhere(facts):
    """Are these uploaded facts free of every uplink?"""
    return all(is_isolated(fact["network_scheme"], fact["uid"]) for fact in facts)
