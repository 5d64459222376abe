"""What can go wrong between this library and the Fuel API, and how the API's replies say it."""

import json
from typing import Protocol

from octane.errors import Failed, OctaneError, Refused


class Response(Protocol):
    """The part of an HTTP response that is read here."""

    status_code: int

    @property
    def text(self) -> str: ...


class FuelError(Failed):
    """The Fuel API answered a request with an error.

    `status` is the HTTP status, `request` the method and path, `reason` the first line of the API's message.
    """

    def __init__(self, status: int, request: str, reason: str) -> None:
        super().__init__(f"Fuel API: {request} answered {status}: {reason}")
        self.status = status
        self.request = request
        self.reason = reason


class BadRequest(FuelError):
    """400: the API understood the request and did not accept it."""


class Forbidden(FuelError):
    """403: not in this state of the environment."""


class NotFound(FuelError):
    """404 for an object: the URL exists, what it names does not."""


class NoSuchUrl(FuelError):
    """404 for the URL itself: this Nailgun does not have the function."""


class MethodNotAllowed(FuelError):
    """405: the URL exists and takes other methods."""


class Conflict(FuelError):
    """409: the name is taken, or the same thing is already under way."""


class ServerError(FuelError):
    """5xx: the API itself failed; the reason is in Nailgun's log."""


class Unauthorized(Refused):
    """The Fuel master did not accept the credentials."""


class Unreachable(Failed):
    """No answer from the Fuel API: refused, reset or timed out."""


BY_STATUS: dict[int, type[FuelError]] = {
    400: BadRequest,
    403: Forbidden,
    404: NotFound,
    405: MethodNotAllowed,
    409: Conflict,
}
UNKNOWN_URL = "not found"


def reason_of(text: str) -> str:
    """The first line of what an error body says.

    Bodies come in four shapes, all as text/html whatever they are (observed on Nailgun 7.0): {"message": "..."},
    plain text, the text "None" for 405, and nothing at all. Schema violations span many lines and end in a dump of
    the schema; their first line says what was wrong.
    """
    try:
        body = json.loads(text)
    except ValueError:
        body = text
    if isinstance(body, dict):
        body = body.get("message") or ""
    lines = [line for line in str(body).splitlines() if line.strip()]
    if not lines or lines[0] == "None":
        return "no reason given"
    return lines[0].strip()


def is_unknown_url(status: int, text: str) -> bool:
    """True for the 404 of a URL that Nailgun does not have; a missing object answers with a JSON message instead."""
    return status == 404 and text.strip() == UNKNOWN_URL


def from_response(response: Response, request: str) -> OctaneError:
    """The error that RESPONSE, a reply of 400 or more to REQUEST ("PUT clusters/2/changes"), stands for."""
    status, text = response.status_code, response.text
    if status == 401:
        return Unauthorized(f"Fuel API: {request} answered 401: the master does not accept the credentials")
    if is_unknown_url(status, text):
        return NoSuchUrl(status, request, "this Nailgun has no such URL")
    if status >= 500:
        return ServerError(status, request, reason_of(text))
    return BY_STATUS.get(status, FuelError)(status, request, reason_of(text))
