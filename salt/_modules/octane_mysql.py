"""
The local MySQL or MariaDB server, asked through its own client over its socket as Fuel's root (``/root/.my.cnf``).

Never through the virtual address or HAProxy (LP1596909), unless to be told whose server that leads to; and no password
on a command line: ``--defaults-file`` alone is read, and whatever host it names is overridden.
"""

import os
import re
import subprocess

from salt.exceptions import CommandExecutionError

DEFAULTS_FILE = "/root/.my.cnf"
SOCKETS = ("/var/run/mysqld/mysqld.sock", "/run/mysqld/mysqld.sock", "/var/lib/mysql/mysql.sock")
_NAME = re.compile(r"[^\x00-\x1f/\\-][^\x00-\x1f/\\]{0,63}")
_ESCAPES = {"\\n": "\n", "\\t": "\t", "\\0": "\0", "\\\\": "\\"}


def options():
    """
    Options that every client program of the server is started with; none of them is a secret.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_mysql.options
    """
    given = __context__.get("octane_mysql.server") or __salt__["config.get"]("octane_db", {}) or {}
    found = [f"--defaults-file={given.get('defaults_file', DEFAULTS_FILE)}", f"--host={given.get('host', 'localhost')}"]
    if given.get("port"):
        return [*found, f"--port={given['port']}", "--protocol=tcp"]
    socket = given.get("socket") or next((path for path in SOCKETS if os.path.exists(path)), None)
    return [*found, f"--socket={socket}"] if socket else found


def query(statement, consistent=False):
    """
    Rows of one statement that reads; the statement itself never appears on a command line.

    :param consistent: on Galera, see all that any node has committed before
    :return: ``[{column: text or None}]``
    :raises CommandExecutionError: the server's own words

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_mysql.query 'SHOW DATABASES'
    """
    wait = _wait() if consistent else None
    return parse(_client(f"SET SESSION {wait}=1;\n{statement}" if wait else statement))


def execute(statement):
    """
    Run statements that change something.

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_mysql.execute 'DROP DATABASE IF EXISTS `old`'
    """
    _client(statement)


def parse(text):
    """
    The batch output of the client: a line of names, then lines of values, tabs between them, some bytes escaped.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_mysql.parse 'Database'
    """
    lines = [line.split("\t") for line in text.split("\n") if line]
    if not lines:
        return []
    return [
        {name: None if value == "NULL" else _plain(value) for name, value in zip(lines[0], line, strict=True)}
        for line in lines[1:]
    ]


def identifier(name):
    """
    A name quoted for a statement.

    :raises CommandExecutionError: a name with characters that no name here has

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_mysql.identifier nova
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise CommandExecutionError(f"not a name of a database, table or column: {name!r}")
    return "`" + name.replace("`", "``") + "`"


def text(value):
    """
    A text quoted for a statement.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_mysql.text nova
    """
    return "CONVERT(X'" + str(value).encode().hex() + "' USING utf8)"


def _wait():
    """The setting under which reads wait for what any node has committed: up to MySQL 5.6.19 it has another name."""
    rows = parse(_client("SHOW GLOBAL VARIABLES LIKE 'wsrep_%'"))
    known = {row["Variable_name"] for row in rows}
    return next((name for name in ("wsrep_sync_wait", "wsrep_causal_reads") if name in known), None)


def _client(statement):
    command = ["mysql", *options(), "--batch", "--default-character-set=utf8"]
    try:
        done = subprocess.run(command, input=statement.encode(), capture_output=True, check=False, timeout=3600)
    except FileNotFoundError as error:
        raise CommandExecutionError("this node has no mysql client") from error
    if done.returncode:
        raise CommandExecutionError(f"the database of this node: {done.stderr.decode(errors='replace').strip()[:500]}")
    return done.stdout.decode("utf-8", errors="replace")


def _plain(value):
    return re.sub(r"\\[nt0\\]", lambda match: _ESCAPES[match.group()], value)
