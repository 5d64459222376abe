"""
Run one module function or state inside a test's host: ``python -m tests.functional.on_host FUNCTION ARGUMENTS``.

ARGUMENTS is JSON: ``{"args": [], "kwargs": {}, "state": bool, "test": bool, "root": folder for files}``; the result, or
``{"error": message}``, is printed as JSON.
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


def main() -> None:
    function, given = sys.argv[1], json.loads(sys.argv[2])
    node = Node({"cmd.run_all": run_all})
    root = given["root"]
    node.set(INTERFACES=f"{root}/interfaces.d", FOLDER=f"{root}/network", STATE=f"{root}/kept")
    node.set(ROOT=f"{root}/haproxy")
    node.set(MARKER=f"{root}/octane-fenced", RECORD=f"{root}/record.json")
    node.opts["id"] = given.get("id")
    try:
        if given.get("state"):
            answer = node.state(function, *given["args"], test=given.get("test", False), **given["kwargs"])
        else:
            answer = node.call(function, *given["args"], **given["kwargs"])
    except CommandExecutionError as error:
        answer = {"error": str(error)}
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
