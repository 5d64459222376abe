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


def test_a_server_that_is_alone_keeps_what_is_loaded_to_itself(nodes):
    old, new = nodes
    old.sql(
        "CREATE DATABASE glance; USE glance;"
        "CREATE TABLE images (id INT PRIMARY KEY, name VARCHAR(99), KEY name (name));"
        "INSERT INTO images SELECT seq, SHA1(seq) FROM seq_1_to_50000;"
        "CREATE VIEW named AS SELECT name FROM images;"
    )
    before = committed(new)
    move(old, new, ["glance"], alone=True)
    assert committed(new) == before, "something went the way of the other members, who are none"
    assert old.call("compare", old.call("checksums", ["glance"]), new.call("checksums", ["glance"]))["equal"]
    # The server goes on as a member as before: only the sessions of the transfer kept to themselves.
    new.sql("INSERT INTO glance.images VALUES (0, 'later')")
    assert committed(new) == before + 1
    for one in nodes:
        one.sql("DROP DATABASE glance")


def test_a_migration_of_more_rows_than_one_transaction_may_have_passes_with_the_limits_lifted(nodes):
    """As heat's migration 056 fills a new table from all rows of another: first the trap itself."""
    new = nodes[1]
    new.sql(
        "CREATE DATABASE heat; USE heat; CREATE TABLE resource (id INT PRIMARY KEY, name CHAR(9));"
        "INSERT INTO resource SELECT seq, 'name' FROM seq_1_to_100000;"
        "INSERT INTO resource SELECT seq, 'name' FROM seq_100001_to_140000;"
        "CREATE TABLE moved (id INT PRIMARY KEY, name CHAR(9));"
    )
    migration = "INSERT INTO heat.moved SELECT id, name FROM heat.resource"
    before = new.node.call("octane_globals.limits")
    assert before["wsrep_max_ws_rows"] == "131072"
    with pytest.raises(CommandExecutionError, match="wsrep_max_ws_rows"):
        new.node.call("octane_mysql.execute", migration)
    assert new.node.call("octane_globals.lift_limits") == {
        "wsrep_max_ws_rows": "0", "wsrep_max_ws_size": "2147483647"
    }  # fmt: skip
    was = committed(new)
    new.node.call("octane_mysql.execute", migration)
    assert new.call("row_counts", ["heat"])["heat"] == {"moved": 140000, "resource": 140000}
    assert committed(new) == was + 1
    # A replication that ends in between puts back what is its own.
    new.node.call("octane_replica.remove")
    assert new.node.call("octane_globals.limits")["wsrep_max_ws_rows"] == "0"
    # A second run, after which the first values are still known.
    new.node.call("octane_globals.lift_limits")
    new.node.call("octane_globals.restore_limits")
    assert new.node.call("octane_globals.limits") == before and new.node.call("octane_globals.changed") == {}


def test_a_server_that_cannot_do_without_a_limit_gets_its_largest(nodes, monkeypatch):
    node, least = nodes[1].node, 1
    execute = node.salt["octane_mysql.execute"]

    def of_another_server(statement):
        return execute(statement.replace("wsrep_max_ws_rows=0", f"wsrep_max_ws_rows={least}"))

    monkeypatch.setitem(node.salt, "octane_mysql.execute", of_another_server)
    try:
        assert node.call("octane_globals.lift_limits")["wsrep_max_ws_rows"] == "1048576"
    finally:
        node.call("octane_globals.restore_limits")
    assert node.call("octane_globals.limits")["wsrep_max_ws_rows"] == "131072"


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
