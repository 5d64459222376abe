"""
Steps of an upgrade, for orchestrations on the Fuel master.

An orchestration opens its stage with :func:`stage`, lists its steps with :func:`step` and closes the stage with
:func:`finished`. There is no need for requisites or ``failhard``: after a failed step the ones that follow do not act,
except those with ``always``, and ``finished`` tells the verdict. All three work on the master only, where the library
``octane`` is installed.
"""

import copy

try:
    import octane.door as octane_door
    from octane.context import DryRun
except ImportError:
    # This file is also synchronised to the minions, which have no use for it.
    octane_door = None

import salt.state

__virtualname__ = "octane"

NOT_ARGUMENTS = salt.state.STATE_INTERNAL_KEYWORDS | {"name", "state", "fun", "order"}


def __virtual__():
    if octane_door is None:
        return (False, "octane.step works on the Fuel master only: the library octane is not installed here")
    return __virtualname__


def stage(name, stage=None, typed=None):
    """
    Check that a stage may run now, take the upgrade's lock and open a run in the journal. Nothing is done before all
    steps that follow have been checked.

    name
        A sentence.

    stage
        ``prepare``, ``upgrade-env``, ``upgrade-db``, ``upgrade-control``, ``upgrade-node``, ``cleanup-env`` or
        ``cleanup-fuel``.

    typed
        ``module:function`` that looks at what the pillar says, and at Fuel, before anything is written down.

    The pillar says which upgrade: ``{seed: N}``, or ``{original: N, nodes: [...]}`` for ``upgrade-env``.

    CLI Example:

    .. code-block:: bash

        salt-run state.orchestrate upgrade.db pillar='{seed: 2}'
    """
    following = _steps_that_follow(stage or name)
    return _returned(name, octane_door.open_stage(_caller(), stage or name, following, typed))


def step(
    name,
    step=None,
    library=None,
    tgt=None,
    apply=None,
    kwargs=None,
    kwargs_from=None,
    undo=None,
    undo_kwargs=None,
    undo_kwargs_from=None,
    holds=None,
    timeout=300,
    until=None,
    always=False,
    undo_first=False,
    undo_alone=False,
):
    """
    Carry out one step, or verify it when an earlier run has done it.

    name
        The step as a sentence.

    step
        Its name in the journal, such as ``db.refuse_writes``.

    library
        ``module:Class`` of a step that the library carries out. Else:

    tgt
        A minion id, a list of them, or ``originals``, ``seeds``, ``controllers``, ``computes``.

    apply, kwargs, kwargs_from
        The state to run on each target, its arguments, and ``module:function`` that computes more of them.

    undo, undo_kwargs, undo_kwargs_from
        The same for taking it back; ``nothing`` when there is nothing to take back.

    holds
        Names of invariants that must hold afterwards.

    timeout
        Seconds for all targets together.

    until
        A later step of the stage that ends this one's effect.

    always
        Run although an earlier step failed: for steps that put things back.

    undo_first
        Taken back before all other steps of the stage, and on every node that answers: for what users wait for.

    undo_alone
        Its undo concerns no other step: when it fails the others are taken back all the same.

    CLI Example:

    .. code-block:: bash

        salt-run state.orchestrate upgrade.db pillar='{seed: 2}' test=True
    """
    return _returned(name, octane_door.run_step(_caller(), __low__["__id__"], _arguments(__low__)))


def finished(name, stage=None):
    """
    Close a stage: done when every one of its steps is done. Comes last, and runs whatever happened before.

    name
        A sentence.

    stage
        As given to :func:`stage`.

    CLI Example:

    .. code-block:: bash

        salt-run state.orchestrate upgrade.db pillar='{seed: 2}'
    """
    return _returned(name, octane_door.finish_stage(_caller(), stage or name))


def _caller():
    """What the library is told about Salt; a dry run's findings are kept from one state to the next."""
    dry_run = __context__.setdefault("octane.dry_run", DryRun())
    return octane_door.Caller(__opts__, __pillar__, bool(__opts__["test"]), dry_run)


def _returned(name, report):
    return {
        "name": name,
        "result": report.result,
        "changes": report.changes,
        "comment": report.comment,
        "exit_code": report.exit_code,
    }


def _steps_that_follow(stage):
    """(sentence, arguments) of every ``octane.step`` between this state and the one that closes the stage."""
    following = []
    inside = False
    for low in __lowstate__ or ():
        if low["state"] != "octane":
            continue
        if low["fun"] == "stage" and low["__id__"] == __low__["__id__"]:
            inside = True
        elif low["fun"] == "finished" and low.get("stage", low["name"]) == stage:
            inside = False
        elif low["fun"] == "step" and inside:
            following.append((low["__id__"], _arguments(low)))
    return following


def _arguments(low):
    """What the orchestration says about a step, without what is Salt's own; Salt hands it out frozen."""
    return {key: copy.deepcopy(value) for key, value in low.items() if key not in NOT_ARGUMENTS}
