"""
Runs module functions and states inside a test's host: ``python -m tests.functional.on_host ROOT ID``.

ROOT is the folder for the host's files. Each line of the input is JSON: ``{"function", "args": [], "kwargs": {},
"state": bool, "test": bool}``; for each one line is printed, the result or ``{"error": message}``.
"""

import json
import subprocess
import sys
from typing import Any

from salt.exceptions import CommandExecutionError

from tests.saltfiles import Node


def run_all(command: list[str], stdin: str | None = None, timeout: int = 60, **_: Any) -> dict[str, Any]:
    """What Salt's ``cmd.run_all`` does with the arguments that the octane modules give it."""
    try:
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=timeout, check=False)
    except FileNotFoundError as error:
        return {"retcode": 127, "stdout": "", "stderr": str(error)}
    return {"retcode": done.returncode, "stdout": done.stdout, "stderr": done.stderr}


def made(root: str, identity: str) -> Node:
    """All modules and states, with their files below ROOT."""
    node = Node({"cmd.run_all": run_all})
    node.set(INTERFACES=f"{root}/interfaces.d", FOLDER=f"{root}/network", STATE=f"{root}/kept")
    node.set(ROOT=f"{root}/haproxy")
    node.set(MARKER=f"{root}/octane-fenced", RECORD=f"{root}/record.json", _SYSCTL_FILE=f"{root}/sysctl.conf")
    node.set(DATABASE=f"{root}/conf.db", KEPT=f"{root}/ovs-ports.json")
    node.set(ROUTES=f"{root}/routes.json")
    node.opts["id"] = identity
    return node


def answer(node: Node, given: dict[str, Any]) -> Any:
    """What the function returns, or the error that it raises as ``{"error": message}``."""
    try:
        if given.get("state"):
            return node.state(given["function"], *given["args"], test=given.get("test", False), **given["kwargs"])
        return node.call(given["function"], *given["args"], **given["kwargs"])
    except CommandExecutionError as error:
        return {"error": str(error)}


def main() -> None:
    node = made(*sys.argv[1:])
    for line in sys.stdin:
        print(json.dumps(answer(node, json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
