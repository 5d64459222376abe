"""python-fuelclient 11.0.0, imported so that it works, and nothing else: the one place that knows its faults.

* Its settings read their file with `yaml.load` without a Loader (fails with PyYAML 6), copy a template into
  ~/.config on first use, and print to standard output. They are a module global made on first demand, so an object
  put there beforehand replaces all of it.
* It needs `pkg_resources`, which setuptools dropped later: setuptools is pinned for that.
* `Task` asks /transactions, which Nailgun 7.0 does not have.
* The configured HTTP timeout is stored in an attribute that `requests` never reads.
* `get_facts` raises ServerDataException for an empty list, which is a normal answer.
"""

from types import SimpleNamespace

from fuelclient import fuelclient_settings

fuelclient_settings._SETTINGS = SimpleNamespace(
    SERVER_ADDRESS="127.0.0.1",
    SERVER_PORT="8000",
    OS_USERNAME=None,
    OS_PASSWORD=None,
    OS_TENANT_NAME=None,
    HTTP_PROXY=None,
    HTTP_TIMEOUT=None,
)

from fuelclient.cli.error import ServerDataException  # noqa: E402
from fuelclient.client import APIClient  # noqa: E402
from fuelclient.objects import Environment, Node, Release, Task  # noqa: E402

Task.class_api_path = "tasks/"
Task.instance_api_path = "tasks/{0}/"

__all__ = ["APIClient", "Environment", "Node", "Release", "ServerDataException", "Task"]
