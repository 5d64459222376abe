"""What a replica says of itself while it is waited for."""

import pytest
from salt.exceptions import CommandExecutionError

from tests.saltfiles import Node

WANTED = {"file": "log.000002", "position": 900}


class Replica:
    """A replica that comes closer each time it is looked at, as ``SHOW ALL SLAVES STATUS`` of MariaDB tells it."""

    def __init__(self, *lags):
        self.lags, self.events = list(lags), []
        self.node = Node({"octane_mysql.query": self.query, "event.send": self.hear})

    def hear(self, tag, data):
        self.events.append((tag, data))

    def query(self, statement, consistent=False):
        if "VERSION()" in statement:
            return [{"version": "10.11.8-MariaDB"}]
        lag = self.lags.pop(0) if len(self.lags) > 1 else self.lags[0]
        row = {
            "Connection_name": "octane",
            "Master_Host": "127.0.0.1",
            "Master_User": "octane_0123abcd",
            "Slave_IO_Running": "Yes",
            "Slave_SQL_Running": "Yes",
            "Seconds_Behind_Master": str(lag),
            "Relay_Master_Log_File": "log.000002",
            "Exec_Master_Log_Pos": str(900 - lag),
            "Master_Log_File": "log.000002",
            "Read_Master_Log_Pos": "900",
            "Relay_Log_Space": "1",
            "Replicate_Wild_Do_Table": "",
        }
        errors = {f"Last_{kind}_{what}": "0" for kind in ("IO", "SQL") for what in ("Errno", "Error")}
        return [{**row, **errors}]


def test_the_lag_is_told_as_progress_while_it_is_waited_for():
    replica = Replica(30, 20, 0)
    assert replica.node.call("octane_replica.wait_for", WANTED, 30)["lag_seconds"] == 0
    tag, data = replica.events[0]
    assert tag == "octane/progress/replica" and data == {"text": "catching up", "lag_seconds": 30, "behind": 30}


def test_the_lag_is_told_about_once_a_second(monkeypatch):
    replica = Replica(30)
    moment = iter(range(0, 1000))
    module = replica.node.modules["octane_replica"]
    monkeypatch.setattr(module.time, "monotonic", lambda: next(moment) / 10)
    monkeypatch.setattr(module.time, "sleep", lambda seconds: None)
    with pytest.raises(CommandExecutionError, match=r"not at log.000002:900 after 5.0 s"):
        replica.node.call("octane_replica.wait_for", WANTED, 5.0)
    assert 3 <= len(replica.events) <= 6


TOO_OLD = "it is MySQL 5.5.40, and no log of one before 5.6 was ever read by this"
UNCOUNTED = "MySQL without Galera tells no moment to compare both sides at, unless writers are locked out for it"


@pytest.mark.parametrize(
    ("version", "family", "galera", "reasons"),
    [
        ("5.5.40", "mysql", True, [TOO_OLD]),
        ("5.6.16", "mysql", True, []),
        ("5.6.16", "mysql", False, [UNCOUNTED]),
        ("5.5.68-MariaDB", "mariadb", False, []),
    ],
)
def test_a_server_whose_log_or_whose_moments_cannot_be_read_cannot_be_followed(version, family, galera, reasons):
    values = {"log_bin": "ON", "binlog_format": "ROW", "server_id": "1", "expire_logs_days": "10"}
    source = Node(
        {
            "octane_db.server": lambda: {"family": family, "version": version},
            "octane_db.databases": lambda: ["nova"],
            "octane_globals.values": lambda: values,
            "octane_sessions.wsrep": lambda: {"enabled": galera},
            "octane_source.log_reader": lambda: "/usr/bin/mysqlbinlog",
            "octane_mysql.query": lambda statement, consistent=False: [],
        }
    )
    source.modules["octane_source"].log_reader = lambda: "/usr/bin/mysqlbinlog"
    found = source.call("octane_source.able", ["nova"])
    assert found["able"] is (not reasons) and found["reasons"] == reasons
