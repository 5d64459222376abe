"""What the API answers when it does not do what was asked."""

from __future__ import annotations


class ApiError(Exception):
    """An answer other than success.

    ``status`` is the HTTP status, ``message`` the text of the body's ``message``. With ``bare`` the body is the message
    itself instead of ``{"message": ..., "errors": []}``. Raising it rolls the request's changes back.
    """

    status = 500

    def __init__(self, message: str, status: int | None = None, bare: bool = False, allow: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.status = status or self.status
        self.bare = bare
        self.allow = allow


class InvalidData(ApiError):
    """400: what was sent is wrong, or may not be done now."""

    status = 400


class Forbidden(ApiError):
    """403: the object is locked."""

    status = 403


class NotFound(ApiError):
    """404: the URL is known, the object is not."""

    status = 404


class Conflict(ApiError):
    """409: such an object exists, or such a task runs."""

    status = 409


class NoSuchUrl(ApiError):
    """404 of a URL that no handler serves: a bare text."""

    def __init__(self) -> None:
        super().__init__("not found", 404, bare=True)


class NotSupported(ApiError):
    """405 of a method that the handler has in order to refuse it: a bare text, and ``Allow`` names all methods."""

    def __init__(self, message: str) -> None:
        super().__init__(message, 405, bare=True, allow="GET, HEAD, POST, PUT, DELETE")


class MethodNotAllowed(ApiError):
    """405: the handler has no such method; ``Allow`` names those it has. The body is the word None."""

    def __init__(self, methods: list[str]) -> None:
        listed = [method for method in ("GET", "HEAD", "POST", "PUT", "DELETE") if method in methods]
        super().__init__("None", 405, bare=True, allow=", ".join(listed))


class Unexpected(ApiError):
    """500 as Nailgun in production answers an exception it did not foresee."""

    def __init__(self, message: str = "Unexpected exception, please check logs") -> None:
        super().__init__(message, 500, bare=True)


class Traceback(ApiError):
    """500 of an exception in the code that checks a request: Nailgun answers its traceback, as JSON."""

    def __init__(self) -> None:
        super().__init__("Traceback (most recent call last):", 500)


class Unauthorized(ApiError):
    """401: no token, or one that is not known or has expired. Empty body, no content type."""

    def __init__(self) -> None:
        super().__init__("", 401, bare=True)
