"""
Single options of the configuration files of OpenStack's services (oslo.config's form): read, set and taken out, and
nothing else of the file changed.
"""

import configparser
import re

from salt.exceptions import CommandExecutionError

_WORD = re.compile(r"[A-Za-z0-9_.-]+")
_LINE = re.compile(r"(\S([^\r\n]*\S)?)?")


def get(path, section, option):
    """
    What a file says of an option; ``None`` when it does not say it, or is not there.

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_options.get /etc/neutron/neutron.conf DEFAULT nova_admin_tenant_id
    """
    settings = configparser.RawConfigParser(strict=False, default_section="")
    try:
        with open(path, encoding="utf-8") as stream:
            settings.read_file(stream)
    except FileNotFoundError:
        return None
    return settings.get(section, option, fallback=None)


def put(path, section, option, value):
    """
    Set an option in a file that is there, or take it out (``None``); takes effect when the service is restarted.

    :return: ``{"changed": bool}``: whether the file was
    :raises CommandExecutionError: the value is not one line, or the file does not say so afterwards

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_options.put /etc/neutron/neutron.conf DEFAULT nova_admin_tenant_id 4b22bf4e6a68419a
    """
    if not (_WORD.fullmatch(section) and _WORD.fullmatch(option) and _LINE.fullmatch(value or "")):
        raise CommandExecutionError(f"not what can be written into {path}: [{section}] {option}")
    with open(path, encoding="utf-8", newline="") as stream:
        before = stream.read()
    after = with_option(before, section, option, value)
    if after != before:
        __salt__["octane_files.replace"](path, after)
    if get(path, section, option) != value:
        raise CommandExecutionError(f"{path} does not say {option}={value} although it was written")
    return {"changed": after != before}


def with_option(text, section, option, value):
    """
    The text of a configuration file with one option set, in its section (LP1583596: that is often missing), or removed.

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_options.with_option '[DEFAULT]' upgrade_levels compute auto
    """
    lines, current, at = [], None, None
    for line in text.splitlines():
        header = re.fullmatch(r"\s*\[([^\]]+)\]\s*", line)
        current = header.group(1) if header else current
        if current == section and re.match(rf"\s*{re.escape(option)}\s*[=:]", line):
            continue
        lines.append(line)
        if header and current == section and at is None:
            at = len(lines)
    if value is not None:
        if at is None:
            lines += ["", f"[{section}]"]
            at = len(lines)
        lines.insert(at, f"{option}={value}")
    return "\n".join(lines) + "\n"
