"""Nailgun's API as an operator with the fuel command uses it, asked on the Fuel master."""

from __future__ import annotations

import json
from typing import Any

from demo.commands import MASTER, Commands
from lab.wait import until

ASK = """
import json, sys, urllib.request
def ask(method, path, body, headers):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request("http://127.0.0.1:8000" + path, data, headers, method=method)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)
login = {"tenantName": "admin", "passwordCredentials": {"username": "admin", "password": "admin"}}
access = ask("POST", "/keystone/v2.0/tokens", {"auth": login}, {"Content-Type": "application/json"})
method, path, body = json.loads(sys.argv[1])
print(json.dumps(ask(method, "/api/v1" + path, body, {"X-Auth-Token": access["access"]["token"]["id"]})))
"""
TASK_ENDS_WITHIN = 900


def ask(lab: Commands, method: str, path: str, body: Any = None) -> Any:
    """The JSON that Nailgun answers. Raises CommandFailed when it refuses."""
    request = json.dumps([method, path, body])
    return json.loads(lab.run(lab.on(MASTER, "python3", "-c", ASK, request)).stdout)


def done(lab: Commands, method: str, path: str, body: Any = None) -> dict[str, Any]:
    """The task that a request starts, once it has ended."""
    number = ask(lab, method, path, body)["id"]

    def ended() -> dict[str, Any] | None:
        task: dict[str, Any] = ask(lab, "GET", f"/tasks/{number}")
        return None if task["status"] == "running" else task

    return until(ended, TASK_ENDS_WITHIN, f"{method} {path} to end", 2) or {}


def keep(lab: Commands, node: int, name: str, kept: bool) -> None:
    """Say whether a node's volume of that name is kept when the node is installed anew."""
    disks = ask(lab, "GET", f"/nodes/{node}/disks")
    for disk in disks:
        for volume in disk["volumes"]:
            volume["keep_data"] = kept and volume["name"] == name
    ask(lab, "PUT", f"/nodes/{node}/disks", disks)
