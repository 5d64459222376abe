"""What all tests share."""

import logging


def pytest_sessionfinish():
    """Salt keeps a log handler on a stream that pytest closes before Python's exit; its complaints say nothing."""
    logging.raiseExceptions = False
