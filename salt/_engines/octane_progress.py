"""
Keeps the latest progress of each node in the journal, for ``octane status --watch``.

Nodes fire ``octane/progress/<what>`` by ``event.send`` with numbers (bytes, seconds) and perhaps a ``text``. A lost
event makes the display older and decides nothing. In the master's configuration:

.. code-block:: yaml

    engines:
      - octane_progress: {}
"""

import logging

import salt.utils.event

try:
    import octane.journal as octane_journal
    from octane import settings
except ImportError:
    octane_journal = None

log = logging.getLogger(__name__)

__virtualname__ = "octane_progress"

TAG = "octane/progress/"


def __virtual__():
    if octane_journal is None:
        return (False, "the library octane is not installed here")
    return __virtualname__


def start():
    """
    Listen for ever; Salt starts this in a process of its own.

    CLI Example: none, an engine is named in the master's configuration.
    """
    with salt.utils.event.get_event("master", opts=__opts__, listen=True) as bus:
        for event in bus.iter_events(tag=TAG, full=True, auto_reconnect=True):
            if event:
                keep(event["tag"], event["data"], settings.state_dir(__opts__))


def keep(tag, data, state_dir):
    """
    Write what one event says to the journal; one that makes no sense is dropped.

    tag
        ``octane/progress/<what>``

    data
        As the master's bus delivers it: ``{"id": minion, "data": {...}}``.

    state_dir
        The journal's directory.

    CLI Example: none, called for each event.
    """
    said = data.get("data")
    source = data.get("id")
    if not isinstance(said, dict) or not isinstance(source, str):
        log.debug("%s says nothing that can be kept", tag)
        return
    numbers = {name: value for name, value in said.items() if _is_number(value)}
    try:
        with octane_journal.Journal.open(state_dir) as journal:
            journal.progress.put(source, tag[len(TAG) :], str(said.get("text", "")), numbers)
    except (OSError, ValueError) as error:
        log.warning("progress of %s was not kept: %s", source, error)


def _is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)
