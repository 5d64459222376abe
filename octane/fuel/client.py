"""The connection to the Fuel API: python-fuelclient's transport with tokens renewed and every error understood."""

from collections.abc import Callable
from typing import Any

import requests
from keystoneclient import exceptions as keystone_errors

from octane.fuel._fuelclient import APIClient
from octane.fuel.credentials import Credentials
from octane.fuel.errors import Unauthorized, Unreachable, from_response

# The master serialises facts of a whole environment within one request.
READ_TIMEOUT = 120.0
CONNECT_TIMEOUT = 10.0


class RenewingSession(requests.Session):
    """A session that gets a new token once when the API answers 401, and never waits for ever."""

    def __init__(self, new_token: Callable[[], str]) -> None:
        super().__init__()
        self._new_token = new_token

    def request(self, method, url, **kwargs):  # type: ignore[override]
        kwargs.setdefault("timeout", (CONNECT_TIMEOUT, READ_TIMEOUT))
        try:
            response = super().request(method, url, **kwargs)
            if response.status_code == 401:
                self.headers["X-Auth-Token"] = self._new_token()
                response = super().request(method, url, **kwargs)
        except (requests.ConnectionError, requests.Timeout) as error:
            raise Unreachable(f"The Fuel API at {url} does not answer: {type(error).__name__}", command=url) from error
        return response


class Connection(APIClient):
    """fuelclient's APIClient for one master and one account.

    Its methods (`get_request`, `put_request`, ...) raise the errors of `octane.fuel.errors` only.
    """

    def __init__(self, credentials: Credentials) -> None:
        super().__init__(
            host=credentials.address,
            port=credentials.port,
            os_username=credentials.user,
            os_password=credentials.password,
            os_tenant_name=credentials.tenant,
        )
        self._source = credentials.source

    @property
    def auth_token(self) -> str:
        """A token, asked for on first use.

        Nailgun 7.0's last maintenance release answers 401 to an unauthenticated `GET version`, earlier ones do not:
        asking for a token at once is right for both.
        """
        if self._keystone_client is None:
            self._auth_required = True
            self._authenticate()
        client: Any = self._keystone_client
        return client.auth_token

    def _authenticate(self) -> None:
        try:
            self.initialize_keystone_client()
        except keystone_errors.Unauthorized as error:
            raise Unauthorized(
                f"The Fuel master at {self.root} does not accept user {self._os_username!r} "
                f"(read from {self._source}); correct the password there"
            ) from error
        except (keystone_errors.ClientException, requests.RequestException) as error:
            raise Unreachable(f"The Fuel master's keystone at {self.keystone_base} does not answer: {error}") from error

    def renew(self) -> str:
        """Throw the token away and return a new one."""
        self._keystone_client = None
        return self.auth_token

    def _make_session(self) -> RenewingSession:
        session = RenewingSession(self.renew)
        session.headers.update(self._make_common_headers())
        session.trust_env = False
        return session

    def _raise_for_status_with_info(self, response: Any) -> None:
        if response.status_code >= 400:
            path = response.url.partition("/api/v1/")[2] or response.url
            raise from_response(response, f"{response.request.method} {path}")
