"""Two ends of a transfer of directories, on one machine."""

import re
from pathlib import Path

from tests.saltfiles import Node


class Side:
    """One node: streams of its own; both sides see the same file system, so the names say whose files they are."""

    def __init__(self, root: Path) -> None:
        self.node = Node()
        self.node.set(STREAMS=str(root / "streams"))
        # The real list names directories of the system that runs the tests.
        self.node.modules["octane_trees"]._ALLOWED = re.compile(r"/.*/keys[a-z-]*")

    def call(self, name: str, *args, **kwargs):
        return self.node.call(f"octane_{name}", *args, **kwargs)


def transfer(sides: tuple[Side, Side], sent: Path, there: Path):
    """A directory of the first side in the place of one of the second; what each says of it."""
    sender, receiver = sides
    identity = sender.call("stream.identity")
    waiting = receiver.call("trees.receive", [str(there)], "127.0.0.1", identity["certificate"])
    address = ("127.0.0.1", waiting["port"], waiting["certificate"], identity["identity"])
    return sender.call("trees.send", [str(sent)], *address), receiver.call("stream.received", waiting["ticket"])
