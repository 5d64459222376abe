"""
What differs between the populated clouds of two releases, and is told with the reason that the path gives: all of it,
by hop.
"""

_HOST = "cinder's migration 040 writes the host of the volume in its place"
_BACKEND = "'rbd:volumes#RBD-backend'"

DOCUMENTED: dict[str, list[str]] = {
    "juno-kilo": [
        "host that the volume is attached to 0af45c99-beb7-a9af-c919-2665c4a05cd3: "
        f"attached_host was 'node-9', is {_BACKEND} ({_HOST})",
        "host that the volume is attached to 1b267619-c481-2cc4-6ee2-81747884ca50: "
        f"attached_host was NULL, is {_BACKEND} ({_HOST})",
        "host that the volume is attached to 6654c734-ccab-8f44-0ff0-825eb443dc7f: "
        f"attached_host was NULL, is {_BACKEND} ({_HOST})",
        "attachment left behind in the detached volume c1f7e282-dbf6-e1e0-f008-5ef220fb1118 is missing on the seed "
        "(cinder's migration 040 drops what volumes that are not attached say of an attachment)",
        "flavor of the server a256d79d-5af8-92e9-a29d-350adf822efe: flavor was NULL, is '2' "
        "(a server whose flavor's rows were lost gets today's flavor of its number)",
        "parameters of the deleted stack 86a6fb0e-607e-56d3-0bed-e67f6db73a97: parameters is another one "
        "(heat's migration 056 drops the parameters of deleted stacks)",
    ],
    "kilo-liberty": [
        "default quota of volumes default per_volume_gigabytes is on the seed alone "
        "(cinder gives a default quota to the size of a volume, which limits nothing)",
    ],
    "liberty-mitaka": [
        "revocation of tokens 48cd7517d21176f980daa5502d9efb31 is missing on the seed "
        "(keystone's migration 095 loses all revocations, and every token is made invalid instead)",
    ],
    "antelope-caracal": [
        "default quota of volumes default consistencygroups is missing on the seed "
        "(cinder's migration b7b88f50aab5 removes the quotas of consistency groups, which nothing reads any more)",
        "quota of volumes made consistencygroups is missing on the seed "
        "(cinder's migration b7b88f50aab5 removes the quotas of consistency groups, which nothing reads any more)",
        *(
            f"default quota of volumes default {resource} is on the seed alone "
            "(cinder's migration 9c74c1c6971f gives backups the default quotas that its configuration had)"
            for resource in ("backups", "backup_gigabytes")
        ),
        *(
            f"description of a thing of neutron securitygroupdefaultrules {number} is on the seed alone "
            "(neutron makes things of their own of the default rules of security groups)"
            for number in (4, 5, 6, 7)
        ),
    ],
}
_WHILE_MADE = ["unlaunched_server_ec2_ids", "unlaunched_image_ec2_ids"]
"""Of servers that are in the middle of being made."""
EMPTY = {
    "juno-kilo": {"new": ["stale_attachments"], "old": []},
    "kilo-liberty": {
        "old": ["volume_size_quota_class", "volume_size_limits"],
        "new": ["volume_size_limits"],
    },
    "liberty-mitaka": {"old": [], "new": ["revocations"]},
    "antelope-caracal": {
        "old": ["backup_quota_classes", "default_rules", *_WHILE_MADE],
        "new": ["consistency_group_quotas", "consistency_group_quota_classes", *_WHILE_MADE],
    },
}
"""Views that find nothing on one side, because there should be nothing."""
