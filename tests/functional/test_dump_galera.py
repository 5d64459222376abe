"""
A dump between Galera nodes: one snapshot without a binary log, transactions that they take, nothing kept to one node.
"""

import socket
from pathlib import Path

import pytest
from salt.exceptions import CommandExecutionError

from lab import image
from tests.functional.mariadb import NEEDED, Server, move, until

PROVIDERS = [
    Path("/usr/lib/galera/libgalera_smm.so"),
    Path("/usr/lib/libgalera_smm.so"),
    # The lab's hosts have it.
    image.image_path() / "usr/lib/libgalera_smm.so",
]
PROVIDER = next((path for path in PROVIDERS if path.exists()), None)
pytestmark = [*NEEDED, pytest.mark.skipif(PROVIDER is None, reason="needs galera-4, or the lab's image")]


def node(root, *options):
    """A cluster of one node, with the limits of the releases that Fuel installs."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    made = Server(
        root,
        "--wsrep-on=ON",
        f"--wsrep-provider={PROVIDER}",
        "--wsrep-cluster-address=gcomm://",
        "--wsrep-new-cluster",
        f"--wsrep-provider-options=gmcast.listen_addr=tcp://127.0.0.1:{port};gcache.size=16M;pc.recovery=false",
        "--wsrep-node-address=127.0.0.1",
        "--wsrep-max-ws-rows=131072",
        "--binlog-format=ROW",
        "--innodb-autoinc-lock-mode=2",
        "--innodb-flush-log-at-trx-commit=0",
        *options,
    )
    until(lambda: made.call("wsrep")["state"] == "Synced", "the node to be synced")
    return made


@pytest.fixture(scope="module")
def nodes(tmp_path_factory):
    root = tmp_path_factory.mktemp("galera")
    made = []
    try:
        for name in ("old", "new"):
            made.append(node(root / name))
        yield made
    finally:
        for one in made:
            one.stop()


def committed(server):
    return server.call("wsrep")["last_committed"]


def test_more_rows_than_one_transaction_may_have_are_taken(nodes):
    old, new = nodes
    old.sql(
        "CREATE DATABASE nova; USE nova; CREATE TABLE hosts (id INT PRIMARY KEY, uuid CHAR(36) UNIQUE);"
        "INSERT INTO hosts SELECT seq, CONCAT('h-', seq) FROM seq_1_to_100;"
        "CREATE TABLE many (id INT PRIMARY KEY AUTO_INCREMENT, host CHAR(36), words VARCHAR(99), KEY host (host),"
        " KEY words (words), CONSTRAINT many_host FOREIGN KEY (host) REFERENCES hosts (uuid));"
        # Two halves: the source refuses more rows at once, too.
        "INSERT INTO many (host, words) SELECT CONCAT('h-', 1 + seq % 100), MD5(seq) FROM seq_1_to_100000;"
        "INSERT INTO many (host, words) SELECT CONCAT('h-', 1 + seq % 100), SHA1(seq) FROM seq_1_to_100000;"
    )
    before = committed(new)
    begun = sessions(old)
    sent, _ = move(old, new, ["nova"], streams=3)
    # Galera's own counter tells one snapshot where there is no binary log.
    assert sent["position"] is None and sessions(old) - begun == 3
    assert old.call("compare", old.call("checksums", ["nova"]), new.call("checksums", ["nova"]))["equal"]
    assert new.call("row_counts", ["nova"])["nova"] == {"hosts": 100, "many": 200000}
    # At least as many as its rows need, all of them replicated.
    assert committed(new) - before >= 200000 // 131072 + 4
    made = [one.node.call("octane_mysql.query", "SHOW CREATE TABLE nova.many")[0] for one in nodes]
    assert made[0] == made[1]


def sessions(server):
    """Snapshots begun since the server started."""
    return int(server.node.call("octane_mysql.query", "SHOW GLOBAL STATUS LIKE 'Com_begin'")[0]["Value"])


def test_what_galera_would_keep_to_one_node_is_refused_by_name(nodes):
    old, new = nodes
    old.sql(
        "CREATE DATABASE glance; CREATE TABLE glance.local (id INT) ENGINE=MyISAM; INSERT INTO glance.local VALUES (1)"
    )
    with pytest.raises(CommandExecutionError, match=r"glance.*local.*MyISAM"):
        move(old, new, ["glance"])
    assert "glance" not in new.call("databases")
