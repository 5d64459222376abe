"""Whether all that the cloud acknowledged to a probe is there: each object is asked for by its id, through the APIs.

Run inside the gateway's namespace as ``python -m lab.probe.lookup STATE FILE [--remove]``; prints one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from lab import client
from lab.probe.http import ask
from lab.probe.requests import APIS_BY_NAME, Request, Session, authentication, lookup, removal
from lab.probe.run import FULL_TIMEOUT, NoToken
from lab.probe.summary import read_lines
from lab.state import Lab, LabError

AT_ONCE = 8


def acknowledged(path: Path) -> list[tuple[str, str]]:
    """API and id of every write that was acknowledged in a probe's file."""
    return [(line["api"], line["id"]) for line in read_lines(path) if "id" in line]


async def session_of(credentials: client.Credentials) -> Session:
    """A token. Raises NoToken when Keystone issues none."""
    request = authentication(credentials.username, credentials.password, credentials.project)
    answer = await ask(credentials.public, 5000, request, FULL_TIMEOUT)
    if answer.status != 201:
        raise NoToken(f"{credentials.auth_url} answered {answer.status or answer.error}")
    return Session(answer.token, json.loads(answer.body)["token"]["project"]["id"])


async def look_up(credentials: client.Credentials, path: Path, remove: bool) -> dict[str, Any]:
    """Ask for every acknowledged object; with ``remove`` delete those that are there.

    Returns {"found": COUNT, "missing": [{"api", "id", "status"}]}.
    """
    session = await session_of(credentials)
    places = asyncio.Semaphore(AT_ONCE)

    async def status_of(api_name: str, request: Request) -> int:
        answer = await ask(credentials.public, APIS_BY_NAME[api_name].port, request, FULL_TIMEOUT)
        return answer.status

    async def one(api_name: str, identifier: str) -> dict[str, Any] | None:
        api = APIS_BY_NAME[api_name]
        async with places:
            status = await status_of(api_name, lookup(api, session, identifier))
            if status not in (200, 204):
                return {"api": api_name, "id": identifier, "status": status}
            if remove:
                await status_of(api_name, removal(api, session, identifier))
            return None

    results = await asyncio.gather(*(one(*which) for which in acknowledged(path)))
    missing = [result for result in results if result]
    return {"found": len(results) - len(missing), "missing": missing}


def command(lab: Lab, path: Path, remove: bool = False) -> list[str]:
    """The command that looks up what a probe's file says."""
    return client.in_gateway(lab, "lab.probe.lookup", str(lab.state), str(path.resolve()), *["--remove"] * remove)


def main() -> int:
    known = argparse.ArgumentParser(prog="lab.probe.lookup")
    known.add_argument("state", type=Path)
    known.add_argument("file", type=Path)
    known.add_argument("--remove", action="store_true")
    wanted = known.parse_args()
    try:
        found = asyncio.run(look_up(client.load(wanted.state), wanted.file, wanted.remove))
    except (NoToken, LabError) as failure:
        sys.exit(f"probe: {failure}")
    print(json.dumps(found))
    return 1 if found["missing"] else 0


if __name__ == "__main__":
    sys.exit(main())
