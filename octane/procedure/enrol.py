"""Makes nodes minions of this master: over SSH, with the master's own root key, each key accepted by its fingerprint.

The fingerprint is read on the node, over the connection that Fuel itself trusts; nothing is accepted that was merely
announced.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any, TypeVar, cast

import yaml

from octane import machine, settings
from octane.context import Context
from octane.errors import Failed, NodeFailed, OctaneError
from octane.fingerprint import fingerprint
from octane.fuel.nodes import Node
from octane.machine import RemoteMachine
from octane.pair import MASTER_ID
from octane.pristine import checksum
from octane.procedure.env import WithSeed, seed_nodes
from octane.procedure.reach import await_answers
from octane.procedure.salt_config import NODE_FOLDERS, admin_address, pristine, product_digest
from octane.service import Running, Service
from octane.step import Outcome
from octane.wait import until

T = TypeVar("T")

CONFIG = "/etc/salt/minion.d/octane.conf"
PUBLIC_KEY = "/etc/salt/pki/minion/minion.pub"
HEADER = "# Written by octane prepare and taken away by octane cleanup-fuel.\n"
AT_ONCE = 8
"""Nodes enrolled at a time; each costs the master a few processes."""

START_TIMEOUT = 120.0
LOGIN_TIMEOUT = 300.0
SYNC_TIMEOUT = 300.0
SYNCED = "enrol.synced"
BEFORE = "enrol.before"
"""Record of how it was on the nodes that are ours."""

PACKAGE = "salt-minion"


def config(minion: str, master: str, master_finger: str) -> bytes:
    """Content of a minion's configuration.

    A minion asks again every second while its key is not accepted, and does not look up the names of all its addresses
    (which takes long on a node without name service).
    """
    options = {
        "master": master,
        "id": minion,
        "master_finger": master_finger,
        "acceptance_wait_time": 1,
        "acceptance_wait_time_max": 10,
        "enable_fqdns_grains": False,
        "random_reauth_delay": 2,
        "mine_enabled": False,
    }
    return (HEADER + yaml.safe_dump(options, sort_keys=True)).encode()


@dataclass(frozen=True)
class Before:
    """Of a node's minion before us: how it ran, and whether it was this master's already."""

    running: Running
    accepted: bool


NEVER_RAN = Before(Running(active=False, enabled=False), accepted=False)


class Enrolment:
    """Enrols NODES; asks the world first and does only what is missing, so that a second time costs a few seconds.

    What is done over SSH is done for several nodes at a time; Salt and the journal are asked by one thread only.
    """

    def __init__(self, ctx: Context, nodes: Iterable[Node]) -> None:
        self.ctx = ctx
        self.nodes = {node.minion: node for node in nodes}
        self.keys = ctx.keys
        self.pristine = pristine()
        self.digest = product_digest(NODE_FOLDERS)
        self.errors: dict[str, str] = {}

    def pending(self) -> dict[str, Any]:
        """{minion id: what is missing}."""
        configs = self._configs_in_place()
        synced = self.ctx.journal.records.get(MASTER_ID, SYNCED, {})
        keys = self.keys.list()
        found = {}
        for minion in self.nodes:
            if minion not in configs:
                found[minion] = "enrolled"
            elif synced.get(minion) != self._sync_mark(keys, minion):
                found[minion] = "modules synchronised"
        return found

    def _configs_in_place(self) -> list[str]:
        """Minions that answer and hold the configuration they are to have."""
        accepted = {minion for minion, key in self.keys.list().items() if key["state"] == "accepted"}
        asked = sorted(accepted & set(self.nodes))
        answering = sorted(self.ctx.nodes.ping(asked)) if asked else []
        try:
            sums = self.ctx.nodes.call(answering, "file.get_hash", CONFIG, form="sha256") if answering else {}
        except NodeFailed:
            # A node without the file makes the question fail; the others are asked one by one.
            sums = {minion: self._sum(minion) for minion in answering}
        return [minion for minion in answering if sums[minion] == checksum(self._config(minion))]

    def _sum(self, minion: str) -> str:
        try:
            return self.ctx.nodes.call([minion], "file.get_hash", CONFIG, form="sha256")[minion]
        except NodeFailed:
            return ""

    def _config(self, minion: str) -> bytes:
        return config(minion, admin_address(), self.keys.master_fingerprint())

    def _sync_mark(self, keys: dict[str, dict[str, str]], minion: str) -> list[str]:
        """What is remembered of a minion that has our modules; a reinstalled one has another key."""
        return [self.digest, keys.get(minion, {}).get("fingerprint", "")]

    def apply(self) -> dict[str, Any]:
        """Do what is pending; what was done, by minion.

        :raises Failed: naming every node that could not be enrolled, after the others were
        """
        missing = self.pending()
        self._enrol([minion for minion, what in missing.items() if what == "enrolled"])
        done = [minion for minion in missing if minion not in self.errors]
        if done:
            self._synchronise(done)
        if self.errors:
            raise Failed("; ".join(f"{minion}: {error}" for minion, error in sorted(self.errors.items())))
        return missing

    def _enrol(self, minions: list[str]) -> None:
        running = self._on_nodes(self._running, minions)
        earlier = self._on_nodes(self._own_fingerprint, list(running))
        self._note_before(running, earlier)
        self._delete_stale_keys(earlier)
        configs = {minion: self._config(minion) for minion in earlier}
        self._on_nodes(lambda minion: self._configure(minion, configs[minion]), list(earlier))
        own = self._on_nodes(self._wait_for_key, [minion for minion in earlier if minion not in self.errors])
        if own:
            self._accept(own)
            self.ctx.progress(f"{len(own)} minions answer")

    def _machine(self, minion: str) -> RemoteMachine:
        return machine.node(minion, self.nodes[minion].admin_address, settings.state_dir() / "known_hosts")

    def _service(self, minion: str) -> Service:
        return Service(self._machine(minion), PACKAGE)

    def _running(self, minion: str) -> Running:
        service = self._service(minion)
        if not service.is_installed():
            raise Failed(f"it has no Salt minion: install the package {PACKAGE} on it and run this command again")
        return service.running()

    def _note_before(self, running: dict[str, Running], own: dict[str, str]) -> None:
        """Note how it was on the nodes that have nothing of ours yet."""
        ours, known = self.pristine.machines(), self.keys.list()
        fresh = {
            minion: Before(running[minion], known.get(minion) == {"state": "accepted", "fingerprint": finger})
            for minion, finger in own.items()
            if minion not in ours
        }
        if fresh:
            self._put_before({**self._before(), **fresh})

    def _before(self) -> dict[str, Before]:
        noted = self.ctx.journal.records.get(MASTER_ID, BEFORE, {})
        return {minion: Before(Running(**values["running"]), values["accepted"]) for minion, values in noted.items()}

    def _put_before(self, noted: dict[str, Before]) -> None:
        self.ctx.journal.records.put(MASTER_ID, BEFORE, {minion: asdict(before) for minion, before in noted.items()})

    def _drop_before(self, minions: Iterable[str]) -> None:
        gone, noted = set(minions), self._before()
        if gone & set(noted):
            self._put_before({minion: before for minion, before in noted.items() if minion not in gone})

    def _own_fingerprint(self, minion: str) -> str:
        """The node's own word on its key; "" when it has none yet."""
        content = self._machine(minion).read(PUBLIC_KEY)
        return fingerprint(content) if content else ""

    def _delete_stale_keys(self, own: dict[str, str]) -> None:
        """Keys of a node's earlier installation: while they stand, the new one would be denied."""
        known = self.keys.list()
        for minion, now in own.items():
            if minion in known and known[minion]["fingerprint"] != now:
                self.keys.delete(minion)

    def _configure(self, minion: str, content: bytes) -> None:
        node = self._machine(minion)
        self.pristine.claim(node, CONFIG, HEADER.encode())
        self.pristine.put(node, CONFIG, content)
        self._service(minion).restart()

    def _wait_for_key(self, minion: str) -> str:
        return until(
            lambda: self._own_fingerprint(minion), START_TIMEOUT, f"the key of minion {minion} on its node", interval=1
        )

    def _accept(self, own: dict[str, str]) -> None:
        """Accept exactly the keys OWN, {minion id: fingerprint}, and wait until these minions answer."""

        def accepted() -> bool:
            known = self.keys.list()
            there = [minion for minion in own if known.get(minion, {}).get("fingerprint") == own[minion]]
            for minion in there:
                if known[minion]["state"] != "accepted":
                    self.keys.accept(minion)
            return len(there) == len(own)

        until(accepted, START_TIMEOUT, f"the keys of {', '.join(sorted(own))} on the master", interval=0.5)
        await_answers(self.ctx, sorted(own), START_TIMEOUT, "as minions")

    def _synchronise(self, minions: list[str]) -> None:
        self.ctx.progress(f"modules for {len(minions)} minions")
        self.ctx.nodes.sync_nodes(minions, timeout=SYNC_TIMEOUT)
        keys = self.keys.list()
        records = self.ctx.journal.records
        marks = {minion: self._sync_mark(keys, minion) for minion in minions}
        records.put(MASTER_ID, SYNCED, {**records.get(MASTER_ID, SYNCED, {}), **marks})

    def verify(self) -> dict[str, Any]:
        """:raises Failed: naming every node that does not answer as a minion of ours"""
        left = self.pending()
        if left:
            raise Failed(f"not enrolled: {json.dumps(left, sort_keys=True)}")
        return {"minions": sorted(self.nodes)}

    def enrolled(self) -> list[str]:
        """Those of the nodes that hold something of ours, or whose minion does not run as before us yet."""
        ours = {*self.pristine.machines(), *self._before()}
        return [minion for minion in self.nodes if minion in ours]

    def withdraw(self) -> list[str]:
        """Let the minions run as before us, with their configuration of before; names of those that were ours.

        Keys that this master has because of us go; those on the nodes, which their minions made, stay there.

        :raises Failed: naming every node where that was not possible, after the others were done
        """
        mine, noted = self.enrolled(), self._before()
        before = {minion: noted.get(minion, NEVER_RAN) for minion in mine}
        done = self._on_nodes(lambda minion: self._withdraw(minion, before[minion].running), mine)
        self._delete_keys(minion for minion in done if not before[minion].accepted)
        self._drop_before(done)
        if self.errors:
            raise Failed("; ".join(f"{minion}: {error}" for minion, error in sorted(self.errors.items())))
        return mine

    def _withdraw(self, minion: str, before: Running) -> None:
        service = self._service(minion)
        service.stop()
        self.pristine.restore(self._machine(minion), CONFIG)
        service.put_back(before)

    def forget(self) -> list[str]:
        """The nodes are about to be wiped: give up their keys and what is known of them; names of those with a key."""
        for minion in self.nodes:
            self.pristine.forget(self._machine(minion))
        self._drop_before(self.nodes)
        return self._delete_keys(self.nodes)

    def _delete_keys(self, minions: Iterable[str]) -> list[str]:
        known = self.keys.list()
        gone = [minion for minion in minions if minion in known]
        for minion in gone:
            self.keys.delete(minion)
        return gone

    def _on_nodes(self, work: Callable[[str], T], minions: list[str]) -> dict[str, T]:
        """What WORK returned by minion, done for several at a time; those that failed are in `errors` and left out."""

        def guarded(minion: str) -> tuple[str, T | None, str]:
            try:
                return minion, work(minion), ""
            except OctaneError as error:
                return minion, None, error.message

        with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
            results = list(pool.map(guarded, minions))
        self.errors.update({minion: error for minion, _, error in results if error})
        return {minion: cast(T, value) for minion, value, error in results if not error}


class EnrolSeed(WithSeed):
    """The seed's controllers, just installed, are minions."""

    def pending(self, ctx: Context) -> dict[str, Any]:
        return Enrolment(ctx, seed_nodes(ctx)).pending()

    def apply(self, ctx: Context) -> Outcome:
        nodes = {node.minion: node for node in seed_nodes(ctx)}
        missing = [nodes[minion] for minion, what in self.pending(ctx).items() if what == "enrolled"]
        meet_anew(missing)
        done = Enrolment(ctx, nodes.values()).apply()
        return Outcome(changes=done, comment=f"{len(done)} controllers enrolled")

    def verify(self, ctx: Context) -> dict[str, Any]:
        return Enrolment(ctx, seed_nodes(ctx)).verify()

    def undo(self, ctx: Context) -> Outcome:
        """Their keys go; the nodes themselves are about to be wiped."""
        gone = Enrolment(ctx, seed_nodes(ctx)).forget() if ctx.seed else []
        return Outcome(changes={name: "key deleted" for name in gone}, comment="goes with the deletion of the seed")


def meet_anew(nodes: list[Node]) -> None:
    """NODES were installed just now: their host keys and files of before mean nothing; wait until root can log in."""
    for node in nodes:
        fresh = machine.node(node.minion, node.admin_address, settings.state_dir() / "known_hosts")
        fresh.forget_host_key()
        pristine().forget(fresh)
        until(fresh.answers, LOGIN_TIMEOUT, f"root to log in to {node.minion}", interval=1)
