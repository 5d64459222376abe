"""
What the configuration files of an HAProxy say, read without HAProxy: sections, frontends, modes, addresses.
"""

import glob
import os
import re

_SECTIONS = frozenset(
    ("global", "defaults", "listen", "frontend", "backend", "peers", "userlist", "resolvers", "program", "cache")
)


def frontends(files):
    """
    Every ``listen`` and ``frontend`` section: name, file, mode, addresses; statistics pages are not among them.

    :param files: paths in the order in which HAProxy reads them (``octane_haproxy.files``): ``defaults`` reach further
    :return: ``[{"name": str, "file": str, "mode": "http" | "tcp", "binds": [{"address": str, "port": int,
        "ssl": bool}]}]``

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_haproxy_config.frontends '[/etc/haproxy/haproxy.cfg]'
    """
    found, default = [], "tcp"
    for path in files:
        for section in parse(_read(path)):
            mode = _value(section, "mode")
            if section["kind"] == "defaults":
                default = mode or "tcp"
            elif section["kind"] in ("listen", "frontend") and not _is_statistics(section):
                found.append(
                    {"name": section["name"], "file": path, "mode": mode or default, "binds": _binds(section)}
                )
    return found


def parse(text):
    """
    Cut a configuration into sections.

    :return: ``[{"kind": str, "name": str, "header": [words], "first": int, "lines": [[words], ...]}]``; ``first`` is
        the number of the header's line counted from 0, ``lines`` are those after it, empty ones and comments as ``[]``

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_haproxy_config.parse 'listen nova-api-2'
    """
    sections = []
    for number, line in enumerate(text.splitlines()):
        words = [] if line.lstrip().startswith("#") else line.split()
        if words and words[0] in _SECTIONS:
            name = words[1] if len(words) > 1 else ""
            sections.append({"kind": words[0], "name": name, "header": words, "first": number, "lines": []})
        elif sections:
            sections[-1]["lines"].append(words)
    return sections


def included(path):
    """
    Files that a MOS ``include`` line names, relative to the folder of the file that has it.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_haproxy_config.included /etc/haproxy/haproxy.cfg
    """
    if not os.path.exists(path):
        return []
    found = []
    for line in _read(path).splitlines():
        words = line.split()
        if len(words) == 2 and words[0] == "include":
            found.extend(sorted(glob.glob(os.path.join(os.path.dirname(path), words[1]))))
    return found


def _value(section, keyword):
    return next((words[1] for words in section["lines"] if len(words) > 1 and words[0] == keyword), None)


def _is_statistics(section):
    has_page = any(words[:1] == ["stats"] and words[1:2] in (["enable"], ["uri"]) for words in section["lines"])
    return has_page and not any(words[:1] in (["server"], ["default_backend"]) for words in section["lines"])


def _binds(section):
    """Addresses of ``bind`` lines, and of the header as old releases allowed it; a range of ports is taken apart."""
    given = [section["header"][2:3]]
    given += [words[1:] for words in section["lines"] if len(words) > 1 and words[0] == "bind"]
    return [bind for words in given if words for bind in _endpoints(words[0], "ssl" in words[1:])]


def _endpoints(text, encrypted):
    found = []
    for endpoint in text.split(","):
        address, _, ports = endpoint.rpartition(":")
        if not re.fullmatch(r"[0-9]+(-[0-9]+)?", ports):
            continue
        first, _, last = ports.partition("-")
        address = "0.0.0.0" if address in ("", "*") else address
        for port in range(int(first), int(last or first) + 1):
            found.append({"address": address, "port": port, "ssl": encrypted})
    return found


def _read(path):
    with open(path, encoding="utf-8", errors="surrogateescape") as stream:
        return stream.read()
