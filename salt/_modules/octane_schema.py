"""
Schema versions: those that a database says it has, and those that the installed migration scripts lead to.

Both being equal is the proof that a migration is complete; the tools' own checks answered "up to date" before, between
and after the steps (observed with keystone).
"""

import ast
import os
import re
import shutil

from salt.exceptions import CommandExecutionError

_PATH = "/usr/local/bin:/usr/bin:/usr/sbin"
_FIND = "import importlib.util, sys; print(importlib.util.find_spec(sys.argv[1]).submodule_search_locations[0])"


def heads(database):
    """
    What the database's own version tables say.

    :return: ``{"alembic": [revision], "migrate": {repository: number}}``

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_schema.heads nova
    """
    if database not in __salt__["octane_db.databases"]():
        raise CommandExecutionError(f"this node has no database {database}")
    tables = __salt__["octane_db.tables"](database)
    found = {"alembic": [], "migrate": {}}
    if "alembic_version" in tables:
        found["alembic"] = sorted(row["version_num"] for row in _rows(database, "alembic_version"))
    if "migrate_version" in tables:
        rows = _rows(database, "migrate_version")
        found["migrate"] = {row["repository_id"]: int(row["version"]) for row in rows}
    return found


def code_heads(directory):
    """
    What the scripts below a directory lead to, read without running them.

    :return: ``{"alembic": [revision], "migrate": number or None}``; a revision that another one depends on is no head,
        since alembic keeps no row for it

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_schema.code_heads /usr/lib/python2.7/dist-packages/neutron/db/migration/alembic_migrations
    """
    if not os.path.isdir(directory):
        raise CommandExecutionError(f"{directory} is no directory of migration scripts")
    before, numbers = {}, []
    for folder, _, names in os.walk(directory):
        for name in names:
            if name.endswith(".py"):
                before.update(revision(_read(os.path.join(folder, name))))
            # sqlalchemy-migrate: 067_kilo.py, and 012_id.py with 012_sqlite_upgrade.sql beside it.
            if os.path.basename(folder) == "versions" and re.match(r"[0-9]{3}_.*\.(py|sql)$", name):
                numbers.append(int(name[:3]))
    return {"alembic": _alembic_heads(before), "migrate": max(numbers, default=None)}


def package_heads(package, directory):
    """
    :func:`code_heads` of a folder inside the Python package whose commands are installed on this node: the interpreter
    of ``<package>-manage`` is asked where the package is, which is not imported.

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_schema.package_heads nova db/main/migrations
    """
    if not re.fullmatch(r"[a-z_]+", package) or ".." in directory.split("/"):
        raise CommandExecutionError(f"not a package and a folder in it: {package} {directory}")
    command = [*_interpreter(package), "-c", _FIND, package]
    done = __salt__["cmd.run_all"](command, python_shell=False, ignore_retcode=True, timeout=60)
    if done["retcode"]:
        raise CommandExecutionError(f"{command[0]} cannot find {package}: {done['stderr'].strip()[-300:]}")
    return code_heads(os.path.join(done["stdout"].strip().splitlines()[-1], directory))


def compare(schemas):
    """
    What several databases say beside what the installed scripts lead to, in one call.

    :param schemas: ``[{"database", "package", "directory"}]``, as :func:`package_heads` takes them
    :return: ``{database: {"found": as heads returns, "wanted": as package_heads returns or None, "error": str}}``;
        ``error``: why ``wanted`` is not known

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_schema.compare '[{database: nova, package: nova, directory: db/main/migrations}]'
    """
    compared = {}
    for one in schemas:
        entry = {"found": heads(one["database"]), "wanted": None, "error": ""}
        try:
            entry["wanted"] = package_heads(one["package"], one["directory"])
        except CommandExecutionError as error:
            entry["error"] = str(error)
        compared[one["database"]] = entry
    return compared


def revision(source):
    """
    Identity of one alembic script: ``{revision: [revisions before it]}``; ``{}`` for any other file.

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_schema.revision 'revision = "kilo"'
    """
    found = {}
    try:
        body = ast.parse(source).body
    except SyntaxError:
        # Scripts of a package for Python 2 that this Python cannot read.
        return _revision_by_words(source)
    for statement in body:
        targets = [statement.target] if isinstance(statement, ast.AnnAssign) else getattr(statement, "targets", [])
        for target in targets:
            if isinstance(target, ast.Name) and target.id in ("revision", "down_revision", "depends_on"):
                found[target.id] = _texts(statement.value)
    return {name: found.get("down_revision", []) + found.get("depends_on", []) for name in found.get("revision", [])}


def _revision_by_words(source):
    found = {}
    for name, value in re.findall(r"^(revision|down_revision|depends_on)\s*=\s*(.+)$", source, re.MULTILINE):
        found[name] = re.findall(r"['\"](\w+)['\"]", value)
    return {name: found.get("down_revision", []) + found.get("depends_on", []) for name in found.get("revision", [])}


def _texts(node):
    """Strings in the value of an assignment: one, or those of a tuple or list; ``None`` gives none."""
    if node is None:
        return []
    return [one.value for one in ast.walk(node) if isinstance(one, ast.Constant) and isinstance(one.value, str)]


def _alembic_heads(before):
    followed = {name for names in before.values() for name in names}
    return sorted(set(before) - followed)


def _interpreter(package):
    for name in (f"{package}-manage", f"{package}-db-manage"):
        path = shutil.which(name, path=_PATH)
        lines = _read(os.path.realpath(path)).splitlines() if path else []
        # Installers put a line of shell there where the interpreter's path is too long for the first one.
        wrapped = re.match(r"\W*exec\W+(/\S+) ", lines[1]) if len(lines) > 1 else None
        if wrapped:
            return [wrapped.group(1)]
        if lines and lines[0].startswith("#!"):
            return lines[0][2:].split()
    raise CommandExecutionError(f"no command of {package} is installed on this node")


def _rows(database, table):
    name = __salt__["octane_mysql.identifier"](database)
    return __salt__["octane_mysql.query"](f"SELECT * FROM {name}.{table}", True)


def _read(path):
    with open(path, encoding="utf-8", errors="replace") as stream:
        return stream.read()
