"""
The lines that make HAProxy refuse writes, and the answer it gives: pure text, no node touched.

Only keywords that HAProxy 1.5 has are used (its manual, 7.3.1: ``map_int``, ``map_ip``).
"""

import json
import re

from salt.exceptions import CommandExecutionError

ROOT = "/etc/haproxy"
SOCKET = "/var/run/octane-haproxy.sock"
MARK = "# octane"
RETRY_AFTER = 60

# Names as Fuel writes them. Clients of the query APIs (EC2, CloudFormation, CloudWatch) write by GET.
_QUERY = re.compile(r"nova-api-1$|heat-api-cfn$|heat-api-cloudwatch$")


_METHOD = re.compile(r"POST|PUT|PATCH|DELETE")
_PATH = re.compile(r"/[A-Za-z0-9._/*-]*")


def kind(name):
    """
    How a write is told from a read on a frontend: ``query`` (the parameter ``Action`` decides) or ``plain``.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_api_rules.kind heat-api-cfn
    """
    return "query" if _QUERY.match(name) else "plain"


def with_rules(text, names, passes=None):
    """
    A configuration's text with our lines in the sections of these names: before the first ``use_backend``, which would
    win otherwise, or at the section's end.

    :param passes: ``{name: [{"method", "paths": [path, * in it is one part]}]}``: writes that go on there

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_api_rules.with_rules 'listen nova-api-2' '[nova-api-2]'
    """
    lines = text.splitlines()
    for section in reversed(__salt__["octane_haproxy_config.parse"](text)):
        if section["kind"] not in ("listen", "frontend") or section["name"] not in names:
            continue
        used = [number for number, words in enumerate(section["lines"]) if words]
        rules = [number for number in used if section["lines"][number][0] in ("use_backend", "default_backend")]
        offset = rules[0] if rules else (used[-1] + 1 if used else 0)
        at = section["first"] + 1 + offset
        ours = _rules(kind(section["name"]), (passes or {}).get(section["name"], []))
        lines[at:at] = [f"  {line} {MARK}" for line in ours]
    return "\n".join(lines) + "\n"


def _rules(service, passes):
    lines = [
        f"acl octane_refuses dst_port,map_int({ROOT}/octane-modes.map,rw) -m str ro",
        f"acl octane_allowed src,map_ip({ROOT}/octane-allowed.map,no) -m str yes",
        "acl octane_reads method GET HEAD OPTIONS",
    ]
    refuse = "use_backend octane_read_only if octane_refuses !octane_allowed"
    write = f"{refuse} !octane_reads"
    by_method = {}
    for one in passes:
        by_method.setdefault(one["method"], set()).update(one["paths"])
    conditions = []
    for method, paths in sorted(by_method.items()):
        if not _METHOD.fullmatch(method) or not all(map(_PATH.fullmatch, paths)):
            raise CommandExecutionError(f"no writes that could pass: {method} {', '.join(sorted(paths))}")
        lines.append(f"acl octane_is_{method} method {method}")
        lines += [f"acl octane_passes_{method} {_condition(path)}" for path in sorted(paths)]
        conditions.append(f"octane_is_{method} !octane_passes_{method}")
    # Those of other methods, then those of each method that go elsewhere than where they pass.
    rules = [f"{write}{''.join(f' !octane_is_{method}' for method in sorted(by_method))}"]
    rules += [f"{write} {condition}" for condition in conditions]
    if service == "query":
        lines += [
            "acl octane_acts url_param(Action) -m found",
            "acl octane_asks url_param(Action) -m beg Describe Get List Estimate Validate",
        ]
        rules.append(f"{refuse} octane_acts !octane_asks")
    return [*lines, *rules]


def _condition(path):
    if "*" not in path:
        return f"path {path}"
    return f"path_reg ^{re.escape(path).replace(re.escape('*'), '[^/]+')}$"


def own_file():
    """
    The text of the file that belongs to us alone.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_api_rules.own_file
    """
    return (
        f"{MARK}: read-only APIs for the time of an upgrade; octane_api.absent takes this away\n"
        "global\n"
        f"  stats socket {SOCKET} mode 600 level admin\n"
        "\n"
        "backend octane_read_only\n"
        "  mode http\n"
        f"  errorfile 503 {ROOT}/octane-503.http\n"
    )


def refusal():
    """
    The whole HTTP answer that a refused write gets; HAProxy sends it byte by byte.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_api_rules.refusal
    """
    message = "The cloud is being upgraded and read-only for a while. Nothing was changed; please try again later."
    body = json.dumps({"error": {"code": 503, "title": "Service Unavailable", "message": message}})
    head = [
        "HTTP/1.0 503 Service Unavailable",
        "Cache-Control: no-cache",
        "Connection: close",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        f"Retry-After: {RETRY_AFTER}",
        "X-Octane-Mode: read-only",
    ]
    return "\r\n".join(head) + "\r\n\r\n" + body
