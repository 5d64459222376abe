"""
Several streams of one transfer at work side by side, each in a thread of its own; the first failure ends all.
"""

import concurrent.futures
import threading

from frames import Gone


def at_once(jobs, stop):
    """
    Run functions side by side and wait for all of them.

    :param stop: ends what the others wait for; called once when one of them fails, or when this is interrupted
    :return: what they returned, in their order
    :raises Broken: what the first one failed of; when that was a connection, what another one knows of it
    """
    with concurrent.futures.ThreadPoolExecutor(max_workers=len(jobs)) as pool:
        running = [pool.submit(job) for job in jobs]
        try:
            concurrent.futures.wait(running, return_when=concurrent.futures.FIRST_EXCEPTION)
            first = [one.exception() for one in running if one.done() and one.exception()]
        except BaseException:
            stop()
            raise
        if first:
            stop()
    if first:
        errors = [*first, *(one.exception() for one in running if one.exception())]
        raise next((error for error in errors if not isinstance(error, Gone)), errors[0])
    return [one.result() for one in running]


class Group:
    """What is ended together when a transfer fails."""

    def __init__(self):
        self.sessions, self.wires, self.stopped = [], [], threading.Event()

    def stop(self):
        """End the sessions; those who are at one, or read from a wire, fail at once."""
        self.stopped.set()
        for session in list(self.sessions):
            session.kill()
