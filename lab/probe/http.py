"""One HTTP request over one TCP connection, by asyncio streams: as little work as a measuring client can do."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from lab.probe.requests import Request

# A longer answer than the lists asked for would be a mistake of ours.
MAX_ANSWER = 4 * 1024 * 1024


@dataclass(frozen=True)
class Answer:
    """What came back, or why nothing did.

    ``status`` 0 means no answer, ``error`` says why; ``retry_after`` is the header's text; ``seconds`` from the first
    packet to the last byte.
    """

    status: int
    seconds: float
    error: str = ""
    retry_after: str = ""
    token: str = ""
    body: bytes = b""

    @property
    def refused(self) -> bool:
        """Refused on purpose: the APIs are read-only. A 503 without Retry-After is a balancer with no backend."""
        return self.status == 503 and bool(self.retry_after)


async def ask(host: str, port: int, request: Request, timeout: float) -> Answer:
    """Send ``request`` and read the whole answer, in ``timeout`` seconds. Never raises for what the network does."""
    started = time.monotonic()
    try:
        raw = await asyncio.wait_for(exchange(host, port, request.encode(f"{host}:{port}")), timeout)
        return parse(raw, time.monotonic() - started)
    except asyncio.TimeoutError:
        error = "timeout"
    except (OSError, ValueError) as failure:
        error = type(failure).__name__
    return Answer(0, time.monotonic() - started, error)


async def exchange(host: str, port: int, payload: bytes) -> bytes:
    """Send ``payload`` and return everything until the other side closes."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(payload)
        return await read_to_end(reader)
    finally:
        writer.close()


async def read_to_end(reader: asyncio.StreamReader) -> bytes:
    """All that comes until the end of the stream. Raises ValueError beyond MAX_ANSWER bytes."""
    chunks: list[bytes] = []
    size = 0
    while chunk := await reader.read(65536):
        chunks.append(chunk)
        size += len(chunk)
        if size > MAX_ANSWER:
            raise ValueError("answer too long")
    return b"".join(chunks)


def parse(raw: bytes, seconds: float) -> Answer:
    """The answer in the bytes of a closed connection. Raises ValueError when they are none, or only a part of one."""
    head, separator, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split(" ", 2)
    if not separator or not words[0].startswith("HTTP/1.") or not words[1].isdigit():
        raise ValueError("no HTTP answer")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if "content-length" in headers and len(body) < int(headers["content-length"]) and int(words[1]) != 304:
        raise ValueError("answer cut short")
    if headers.get("transfer-encoding", "").lower() == "chunked":
        body = dechunk(body)
    return Answer(
        int(words[1]), seconds, "", headers.get("retry-after", ""), headers.get("x-subject-token", ""), body
    )


def dechunk(body: bytes) -> bytes:
    """The content of a chunked body. Raises ValueError when the last chunk is missing."""
    content: list[bytes] = []
    while True:
        size_line, separator, body = body.partition(b"\r\n")
        if not separator:
            raise ValueError("answer cut short")
        size = int(size_line.split(b";")[0], 16)
        if size == 0:
            return b"".join(content)
        content.append(body[:size])
        body = body[size + 2 :]
