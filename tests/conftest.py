"""What all tests share."""

import logging

import pytest


@pytest.fixture(autouse=True)
def _no_handler_stays():
    """The command line hangs a handler on the root logger, to a stream that is closed when its test ends."""
    root = logging.getLogger()
    before = list(root.handlers)
    yield
    for handler in list(root.handlers):
        if type(handler) is logging.StreamHandler and handler not in before:
            root.removeHandler(handler)


def pytest_sessionfinish():
    """Salt keeps a log handler on a stream that pytest closes before Python's exit; its complaints say nothing."""
    logging.raiseExceptions = False
