"""
The upgrade as the journal knows it, and the way back, from the Salt master.
"""

try:
    import octane.door as octane_door
    import octane.errors as octane_errors
    import octane.status as octane_status
except ImportError:
    octane_door = None

from salt.exceptions import CommandExecutionError, SaltInvocationError

__virtualname__ = "octane"


def __virtual__():
    if octane_door is None:
        return (False, "the library octane is not installed here")
    return __virtualname__


def status(seed=None):
    """
    Stages, steps, attempts, times and evidence of all upgrades, or of one.

    seed
        The seed's id in Fuel.

    CLI Example:

    .. code-block:: bash

        salt-run octane.status
        salt-run octane.status seed=2 --out=json
    """
    with _caller({}, test=True).journal() as journal:
        return _told(octane_status.overview, journal, seed)


def verify(stage, seed=None, original=None):
    """
    Evidence that every step of a finished stage still stands; nothing is changed, nothing is journaled.

    stage
        Such as ``upgrade-db``.

    seed, original
        One of them names the upgrade; none for ``prepare``.

    CLI Example:

    .. code-block:: bash

        salt-run octane.verify upgrade-db seed=2
    """
    return _told(octane_door.verify_stage, _caller({"seed": seed, "original": original}), stage)


def undo(stage, seed=None, original=None, test=False, fenced=None):
    """
    Take back every step of a stage: those that users wait for, then the others, of both the last one first. Refused
    when a later stage has begun or when there is no way back. The same command goes on after a failure.

    stage
        Such as ``upgrade-db``.

    seed, original
        One of them names the upgrade; none for ``prepare``.

    test
        Only say which steps would be undone.

    fenced
        A list of controllers that are powered off: nobody asks them anything.

    CLI Example:

    .. code-block:: bash

        salt-run octane.undo upgrade-db seed=2
    """
    pillar = {"seed": seed, "original": original, "fenced": fenced}
    undone = _told(octane_door.undo_stage, _caller(pillar, bool(test)), stage)
    failed = [report["comment"] for report in undone.values() if report["result"] is False]
    if failed:
        raise CommandExecutionError(failed[0])
    return undone or "nothing to undo"


def _caller(pillar, test=False):
    return octane_door.Caller(__opts__, pillar, test)


def _told(function, *arguments):
    """What FUNCTION returns; the operator's errors as Salt's."""
    try:
        return function(*arguments)
    except octane_errors.BadInput as error:
        raise SaltInvocationError(str(error)) from error
    except octane_errors.OctaneError as error:
        raise CommandExecutionError(str(error)) from error
