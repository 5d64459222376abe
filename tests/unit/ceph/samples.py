"""A small cluster as the commands of old and new releases tell of it: three monitors, OSDs 0-5, two a host."""

FSID = "5e0f7a10-0000-4000-8000-000000000001"
HOSTS = {"node-4": (0, 1), "node-5": (2, 3), "node-6": (4, 5)}
ADDRESSES = {"node-1": "192.168.0.3", "node-2": "192.168.0.4", "node-3": "192.168.0.5"}


def mon_dump(addresses=ADDRESSES, epoch=3, new=False):
    make = new_monitor if new else old_monitor
    mons = [make(rank, name, host) for rank, (name, host) in enumerate(addresses.items())]
    more = {"features": {"persistent": ["nautilus", "kraken"], "optional": []}, "min_mon_release": 16} if new else {}
    return {"epoch": epoch, "fsid": FSID, "modified": "2015-11-19", "created": "0.000000", "mons": mons, **more}


def old_monitor(rank, name, host):
    return {"rank": rank, "name": name, "addr": f"{host}:6789/0"}


def new_monitor(rank, name, host):
    vector = [
        {"type": "v2", "addr": f"{host}:3300", "nonce": 0},
        {"type": "v1", "addr": f"{host}:6789", "nonce": 0},
    ]
    return {**old_monitor(rank, name, host), "public_addrs": {"addrvec": vector}, "public_addr": f"{host}:6789/0"}


def quorum_status(members=(0, 1, 2), **more):
    monmap = mon_dump(**more)
    names = [monmap["mons"][rank]["name"] for rank in members]
    leader = names[0] if names else ""
    return {
        "election_epoch": 12,
        "quorum": list(members),
        "quorum_names": names,
        "quorum_leader_name": leader,
        "monmap": monmap,
    }


def osd_dump(new=False, pools=(("volumes", 3, 2),), flags="", epoch=99, fsid=FSID):
    return {
        "epoch": epoch,
        "fsid": fsid,
        "flags": flags,
        "pools": [pool(number, *one, new=new) for number, one in enumerate(pools, 1)],
        "osds": [osd(number, new) for hosted in HOSTS.values() for number in hosted],
    }


def osd(number, new=False):
    return {
        "osd": number,
        "uuid": f"uuid-{number}",
        "up": 1,
        "in": 1,
        "weight": 1.0 if new else "1.000000",
        "up_from": 7,
        "state": ["exists", "up"],
    }


def pool(number, name, size, min_size, rule=0, new=False, kind=1):
    placed = {"crush_rule": rule} if new else {"crush_ruleset": rule}
    return {
        "pool": number,
        "pool_name": name,
        "type": kind,
        "size": size,
        "min_size": min_size,
        "pg_num": 8,
        **placed,
    }


def crush_dump(hosts=HOSTS, spreads_over="host"):
    buckets = [bucket(-2 - number, name, "host", osds) for number, (name, osds) in enumerate(hosts.items())]
    root = bucket(-1, "default", "root", [one["id"] for one in buckets])
    return {
        "devices": [{"id": osd, "name": f"osd.{osd}"} for osds in hosts.values() for osd in osds],
        "types": [{"type_id": 0, "name": "osd"}, {"type_id": 1, "name": "host"}, {"type_id": 10, "name": "root"}],
        "buckets": [root, *buckets],
        "rules": [rule(0, spreads_over)],
        "tunables": {"profile": "bobtail"},
    }


def bucket(number, name, kind, children):
    items = [{"id": child, "weight": 5898, "pos": place} for place, child in enumerate(children)]
    return {"id": number, "name": name, "type_name": kind, "weight": 5898 * len(items), "alg": "straw", "items": items}


def rule(number, spreads_over="host", kind=1):
    choose = "choose_firstn" if spreads_over == "osd" else "chooseleaf_firstn"
    return {
        "rule_id": number,
        "rule_name": f"rule-{number}",
        "ruleset": number,
        "type": kind,
        "min_size": 1,
        "max_size": 10,
        "steps": [
            {"op": "take", "item": -1, "item_name": "default"},
            {"op": choose, "num": 0, "type": spreads_over},
            {"op": "emit"},
        ],
    }


def pgs_brief(*acting, pool=1, state="active+clean"):
    return [
        {"pgid": f"{pool}.{number:x}", "state": state, "up": list(osds), "acting": list(osds)}
        for number, osds in enumerate(acting or ((0, 2, 4), (3, 5, 1), (4, 1, 2)))
    ]


def auth_list(**keys):
    keys = {"client.images": "AQFAKE1==", "osd.0": "AQFAKE2==", **keys}
    return {
        "auth_dump": [
            {"entity": name, "key": key, "caps": {"osd": "allow *", "mon": "allow r"}} for name, key in keys.items()
        ]
    }
