"""ceph.conf of the seed's controllers, made of the original's and of what their deployment wrote; and keyrings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from octane.ceph import conf
from octane.ceph.cluster import MonitorMap, User, fingerprint, is_secret
from octane.ceph.conf import GLOBAL, Conf
from octane.ceph.monitors import Successor
from octane.errors import BadInput, Refused

GATEWAY = "client.radosgw.gateway"

SEEDS_OWN: Mapping[str, tuple[str, ...]] = {
    # Templates of networks may give the seed other ones.
    GLOBAL: ("public_network", "cluster_network", "public_addr", "cluster_addr"),
    # What its HAProxy asks, and what its Keystone accepts.
    GATEWAY: (
        "rgw_frontends",
        "rgw_socket_path",
        "rgw_keystone_url",
        "rgw_keystone_admin_token",
        "rgw_keystone_admin_user",
        "rgw_keystone_admin_password",
        "rgw_keystone_admin_project",
        "rgw_keystone_admin_domain",
        "rgw_keystone_api_version",
        "rgw_init_timeout",
    ),
}
"""Settings that the seed's deployment decides where it has them; everything else that the original has, it keeps."""


def make(original: Conf, deployed: Conf, successors: Sequence[Successor]) -> Conf:
    """ceph.conf of the seed's controllers: the cluster's, with the seed's names and its own networks and gateway.

    ``mon_host`` is left as it is, since the addresses are.

    :param deployed: what the seed's deployment wrote on this controller; settings that it has alone are taken over
    :raises Refused: the original names no cluster or no monitors
    """
    for key in ("fsid", "mon_host"):
        if not original.get(GLOBAL, key):
            raise Refused(
                f"the original's ceph.conf has no {key} in [global]; put it there, as the cluster's monitors have it"
            )
    made = _with_names(original, successors)
    for section in deployed.names:
        taken = _taken(made, deployed, section)
        made = made.put(section, taken) if taken else made
    return made


def _with_names(original: Conf, successors: Sequence[Successor]) -> Conf:
    """Monitors have the names of their successors, in the order in which the original has them."""
    names = {one.takes: one.name for one in successors}
    said = conf.items(original.get(GLOBAL, "mon_initial_members") or "")
    members = [names.get(one, one) for one in said if one in names or one in names.values()]
    members += [one for one in names.values() if one not in members]
    made = original.put(GLOBAL, {"mon_initial_members": " ".join(members)})
    for old, new in names.items():
        made = made.rename(f"mon.{old}", f"mon.{new}")
        if made.get(f"mon.{new}", "host") is not None:
            made = made.put(f"mon.{new}", {"host": new})
    return made


def _taken(made: Conf, deployed: Conf, section: str) -> dict[str, str | None]:
    known = made.values(section)
    own = SEEDS_OWN.get(section, ())
    # "host" is the controller that the file is on.
    return {
        key: value
        for key, value in deployed.values(section).items()
        if key in own or key not in known or (key == "host" and not section.startswith("mon."))
    }


def require_of(found: Conf, monitors: MonitorMap) -> None:
    """The file is of this cluster: daemons and clients do not care themselves (observed on Ceph 16.2.15).

    :raises Refused: it has another fsid, or other hosts than the monitors have
    """
    fsid = found.get(GLOBAL, "fsid")
    if fsid != monitors.fsid:
        raise Refused(f"ceph.conf has the fsid {fsid}, and the cluster {monitors.fsid}; give it the cluster's")
    said = set(conf.hosts(found.get(GLOBAL, "mon_host") or ""))
    there = {one.host for one in monitors.monitors}
    if said != there:
        raise Refused(
            f"mon_host of ceph.conf is {', '.join(sorted(said)) or 'empty'}, and the monitors are at "
            f"{', '.join(sorted(there))}; give it their addresses"
        )


def changes(before: Conf, after: Conf) -> tuple[str, ...]:
    """What differs between two files, a sentence each setting, without any secret."""
    names = dict.fromkeys((*before.names, *after.names))
    return tuple(line for section in names for line in _changes(section, before.values(section), after.values(section)))


def _changes(section: str, before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    for key in dict.fromkeys((*before, *after)):
        old, new = (_shown(key, values.get(key)) for values in (before, after))
        if before.get(key) != after.get(key):
            yield f"{key} of [{section}] was {old}, is {new}"


def _shown(key: str, value: str | None) -> str:
    if value is None:
        return "not set"
    return f"a secret ({fingerprint(value)})" if is_secret(key) else value


def users(keyring: str) -> tuple[User, ...]:
    """The users of a keyring file, by name: to compare with what ``ceph auth list`` says; no key leaves this function.

    :raises BadInput: it is no keyring, or a user in it has no key
    """
    found = conf.parse(keyring)
    keyless = [name for name in found.names if "key" not in found.values(name)]
    if keyless or not found.names:
        raise BadInput(
            f"no key of {', '.join(keyless) or 'anybody'} in the keyring; fetch it with `ceph auth get NAME`"
        )
    return tuple(sorted((_user(name, found.values(name)) for name in found.names), key=lambda one: one.name))


def _user(name: str, values: Mapping[str, str]) -> User:
    caps = {key.removeprefix("caps_"): value for key, value in values.items() if key.startswith("caps_")}
    return User(name, tuple(sorted(caps.items())), fingerprint(values["key"]))


def require_known(keyring: Iterable[User], cluster: Iterable[User]) -> None:
    """Each user of KEYRING is one of CLUSTER, with the same key. Caps in a keyring are a note: the cluster's count.

    :raises Refused: naming each that is not, or has another key
    """
    known = {user.name: user.fingerprint for user in cluster}
    # The monitors' own key is no user of the cluster.
    asked = [user for user in keyring if user.name != "mon."]
    lost = [f"{user.name} is no user of the cluster" for user in asked if user.name not in known]
    other = [
        f"{user.name} has another key" for user in asked if user.name in known and user.fingerprint != known[user.name]
    ]
    if lost or other:
        raise Refused(
            f"the keyring does not open the cluster: {', '.join(lost + other)}; fetch it with `ceph auth get NAME`"
        )
