"""The stages of an upgrade as data: what each command does, what must have been done before, what it takes."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from octane.definition import NOTHING
from octane.errors import BadInput, Refused
from octane.journal import Journal
from octane.journal.steps import DONE, UNDONE, StepRecord
from octane.pair import MASTER_ID, UNSAVED_ID, Pair, environment_id


@dataclass(frozen=True)
class Stage:
    """``takes`` names the argument: ``original``, ``seed`` or nothing; ``options`` is all that is read of the pillar.

    ``after`` are stages that must be done before, ``reverses`` is the one whose work this one takes back as a whole.
    ``beside`` is the stage that this one tries out, under the command of that one with the option ``flag``: it may be
    run as often as one likes until that one begins, each time from its first step, and leaves nothing when it is done.
    ``variants``: options that make it another orchestration, and which. One that ``repeats`` is run for one node after
    the other. ``no_way_back`` says why nothing before it can be taken back, once a step of it stands that cannot.
    """

    name: str
    orchestration: str
    takes: str | None
    options: tuple[str, ...]
    after: tuple[str, ...] = ()
    reverses: str | None = None
    beside: str | None = None
    flag: str = ""
    variants: Mapping[str, str] = field(default_factory=dict)
    repeats: bool = False
    no_way_back: str = ""

    def orchestration_of(self, options: Mapping[str, Any]) -> str:
        """The orchestration to run when OPTIONS are given."""
        chosen = [other for name, other in self.variants.items() if options.get(name)]
        return chosen[0] if chosen else self.orchestration


BY_PAIR = ("seed", "original")
"""An upgrade is named by its seed; an orchestration of all stages names it by its original."""

BY_WORD = {"original": "ENV", "seed": "SEED", None: ""}
"""What stands for a number that is not known."""

NODE_BY_NODE = "node_by_node"
"""Option of upgrade-env: no spare servers, the original's own controllers move, the first of them now."""

CEPH_OSD = "ceph_osd"
"""Option of upgrade-node: the node has OSDs."""

FENCED = "fenced"
"""Controllers that the operator stated to be powered off."""

DEFAULT_RATE = 50 << 20
"""Bytes per second that a copy takes of the original while users work on it, as long as the operator says nothing else
(option ``rate``): less than half of what 1 Gbit/s carries (119 MiB) or of what one disk reads in a row, and 20 GiB of
databases are copied in 7 minutes. In the window, when users wait, there is no limit but the operator's."""

OF_DB = (*BY_PAIR, "leave", "finish_migrations", "way", "rate", FENCED)

STAGES: dict[str, Stage] = {
    stage.name: stage
    for stage in (
        Stage("prepare", "upgrade.prepare", None, ("environments",), reverses="cleanup-fuel"),
        Stage(
            "upgrade-env",
            "upgrade.env",
            "original",
            ("original", "nodes", "leave_behind", NODE_BY_NODE),
            after=("prepare",),
            variants={NODE_BY_NODE: "upgrade.env_node_by_node"},
        ),
        Stage("check-db", "upgrade.db_check", "seed", OF_DB, ("upgrade-env",), beside="upgrade-db", flag="--check"),
        Stage(
            "rehearse-db",
            "upgrade.db_rehearse",
            "seed",
            OF_DB,
            ("upgrade-env",),
            beside="upgrade-db",
            flag="--rehearse",
        ),
        Stage("upgrade-db", "upgrade.db", "seed", OF_DB, after=("upgrade-env",)),
        Stage("upgrade-control", "upgrade.control", "seed", (*BY_PAIR, FENCED), after=("upgrade-db",)),
        Stage(
            "upgrade-node",
            "upgrade.role.controller",
            "seed",
            (*BY_PAIR, "node", CEPH_OSD),
            after=("upgrade-control",),
            variants={CEPH_OSD: "upgrade.role.ceph_osd"},
            repeats=True,
            no_way_back="a node of the original was installed anew",
        ),
        Stage(
            "cleanup-env",
            "upgrade.cleanup_env",
            "seed",
            BY_PAIR,
            after=("upgrade-control",),
            no_way_back="cleanup-env said that it stays, and what would lead back is gone",
        ),
        Stage("cleanup-fuel", "upgrade.cleanup_fuel", None, (), after=("prepare",), reverses="prepare"),
    )
}
"""In the order in which an operator runs them."""


def get(name: str) -> Stage:
    """:raises BadInput: there is no such stage."""
    try:
        return STAGES[name]
    except KeyError:
        raise BadInput(f"there is no stage {name!r}; stages are {', '.join(STAGES)}") from None


def order(stage: Stage) -> int:
    """Position of STAGE in the procedure; one that a site added comes last."""
    names = list(STAGES)
    return names.index(stage.name) if stage.name in names else len(names)


def is_done(journal: Journal, pair_id: int, stage: str) -> bool:
    """Whether STAGE ended well and everything it did stands."""
    last = journal.runs.last_done(pair_id, stage)
    if last is None or last.act != "apply":
        return False
    return all(step.status == DONE for step in journal.steps.of_stage(pair_id, stage))


def has_begun(journal: Journal, pair_id: int, stage: str) -> bool:
    """Whether anything STAGE did stands, finished or not; mere checks do nothing, and what was tried out is gone."""
    records = journal.steps.of_stage(pair_id, stage)
    standing = [step for step in records if step.status != UNDONE and not step.definition.get("checks_only")]
    if not STAGES[stage].beside:
        return bool(standing)
    return not is_done(journal, pair_id, stage) and _is_left(standing)


def _is_left(standing: Iterable[StepRecord]) -> bool:
    """Whether anything of a trial is to be thrown away: what came after a step that did so, whatever had failed."""
    thrown_away = max(
        (step.updated for step in standing if step.definition.get("always") and step.status == DONE), default=0.0
    )
    return any(step.updated > thrown_away for step in standing if step.definition.get("undo") != NOTHING)


def later_begun(journal: Journal, pair_id: int, stage: Stage) -> str | None:
    """Name of the first later stage of the same upgrade that has begun."""
    later = (other for other in STAGES.values() if other.takes and order(other) > order(stage))
    return next((other.name for other in later if has_begun(journal, pair_id, other.name)), None)


def find_pair(journal: Journal, stage: Stage, options: Mapping[str, Any]) -> Pair | None:
    """The upgrade that OPTIONS (the pillar: ``seed`` or ``original``) mean for STAGE; None for a stage of the master.

    An original without an upgrade gets an unsaved pair.

    :raises BadInput: not a number, unknown, a seed given for an original or the other way round.
    """
    if stage.takes is None:
        return None
    if stage.takes == "original":
        return _pair_of_original(journal, environment_id(options.get("original"), "ENV"))
    if options.get("seed") is None and options.get("original") is not None:
        return _pair_by_original(journal, environment_id(options["original"], "original"))
    return _pair_of_seed(journal, environment_id(options.get("seed"), "SEED"))


def find_to_undo(journal: Journal, stage: Stage, options: Mapping[str, Any]) -> Pair | None:
    """The same for STAGE that is to be taken back.

    :raises BadInput: see :func:`find_pair`; or no upgrade of that original was ever begun.
    """
    pair = find_pair(journal, stage, options)
    if pair and pair.id == UNSAVED_ID:
        known = [str(other.original) for other in journal.pairs.all()]
        hint = f"originals of upgrades are {', '.join(known)}" if known else "there is no upgrade yet"
        raise BadInput(f"no upgrade of environment {pair.original} was begun, so there is none to take back; {hint}")
    return pair


def check(journal: Journal, stage: Stage, options: Mapping[str, Any]) -> Pair | None:
    """Whether STAGE may be run now with OPTIONS; the pair it is about. Looks at the journal only.

    :raises BadInput: see :func:`find_pair`.
    :raises Refused: an earlier stage is missing; the sentence names it and the command that runs it.
    """
    pair = find_pair(journal, stage, options)
    pair_id = pair.id if pair else MASTER_ID
    _refuse_unprepared(journal, stage)
    _refuse_beside(journal, stage, pair)
    _refuse_half_back(journal, stage, pair)
    if is_done(journal, pair_id, stage.name):
        return pair
    for name in stage.after:
        owner = pair_id if STAGES[name].takes else MASTER_ID
        if not is_done(journal, owner, name):
            command = command_line(STAGES[name], pair)
            raise Refused(f"{stage.name} comes after {name}, which is not finished", next_command=command)
    if stage.reverses == "prepare":
        _refuse_unfinished(journal)
    return pair


def command_line(stage: Stage, pair: Pair | None, options: Mapping[str, Any] | None = None) -> str:
    """What an operator types for STAGE of PAIR; what OPTIONS say beside the pair is included."""
    words = ["octane", stage.beside or stage.name]
    if stage.takes == "original":
        words.append(str(pair.original) if pair else "ENV")
        words += [str(node) for node in (options or {}).get("nodes") or ()]
        words += ["--node-by-node"] if (options or {}).get(NODE_BY_NODE) else []
        words += [f"--leave-behind={name}" for name in (options or {}).get("leave_behind") or ()]
    elif stage.takes == "seed":
        words.append(str(pair.seed) if pair and pair.seed is not None else "SEED")
        words += [stage.flag] if stage.flag else []
        words += [f"--leave={shlex.quote(str(name))}" for name in (options or {}).get("leave") or ()]
        words += ["--finish-migrations"] if (options or {}).get("finish_migrations") else []
        words += [f"--{name}={options[name]}" for name in ("way", "rate") if options and options.get(name) is not None]
        words += _stated(stage.name, options)
        words += [str((options or {}).get("node") or "NODE")] if stage.repeats else []
    return " ".join(words)


TAKE_FENCED = ("upgrade-control", "rollback-control", "rollback-db")
"""Commands that can be told of nodes that are powered off."""

ROLLED_BACK = {f"rollback-{name}": f"upgrade-{name}" for name in ("env", "db", "control")}
"""Commands that take a stage back, and which."""


def undo_command(stage: Stage, pair: Pair | None, options: Mapping[str, Any] | None = None) -> str:
    """What an operator types to take back STAGE of PAIR, with what OPTIONS say of nodes that are powered off."""
    named = {"original": pair.original, "seed": pair.seed} if pair else {}
    for command, taken_back in ROLLED_BACK.items():
        if taken_back == stage.name:
            words = ["octane", command, str(named.get(stage.takes or "") or BY_WORD[stage.takes])]
            return " ".join([*words, *_stated(command, options)])
    words = ["salt-run", "octane.undo", stage.name]
    if pair:
        words.append(f"seed={pair.seed}" if pair.seed is not None else f"original={pair.original}")
    return " ".join(words)


def _stated(command: str, options: Mapping[str, Any] | None) -> list[str]:
    """Nodes that are powered off, for the commands that take them."""
    stated = (options or {}).get(FENCED) or ()
    return [f"--fenced={name}" for name in stated if command in TAKE_FENCED]


def left_to_do(stage: Stage, pair: Pair | None, options: Mapping[str, Any]) -> str:
    """What the operator is still to see to when STAGE is done, a sentence; empty when nothing is."""
    gone = options.get(FENCED) or ()
    if not gone or stage.name != "upgrade-control":
        return ""
    return (
        f"keep {', '.join(gone)} powered off: nothing could be fenced there, and an old controller would answer for "
        "addresses that the seed has now; once on again where it reaches this master and not the cloud's networks, "
        f"`{command_line(stage, pair)}` fences it"
    )


def is_node_by_node(journal: Journal, pair: Pair | None) -> bool:
    """Whether the upgrade takes no spare servers."""
    run = journal.runs.last_done(pair.id, "upgrade-env") if pair else None
    return bool(run and run.options.get(NODE_BY_NODE))


def next_stage(stage: Stage, node_by_node: bool = False) -> Stage | None:
    """The stage that follows STAGE, None after the last; what is tried out is followed by what it was for. Nodes are
    upgraded next only where controllers are left to be: NODE_BY_NODE."""
    later = [
        other
        for other in STAGES.values()
        if order(other) > order(stage) and not other.beside and (node_by_node or not other.repeats)
    ]
    return later[0] if later else None


def _pair_of_original(journal: Journal, original: int) -> Pair:
    as_seed = journal.pairs.of_seed(original)
    if as_seed:
        raise BadInput(
            f"environment {original} is a seed (of environment {as_seed.original}), not an original: "
            "give the environment to upgrade"
        )
    return journal.pairs.of_original(original) or Pair(id=UNSAVED_ID, original=original)


def _pair_by_original(journal: Journal, original: int) -> Pair:
    pair = journal.pairs.of_original(original)
    if pair is None:
        raise BadInput(
            f"environment {original} has no seed yet",
            next_command=command_line(STAGES["upgrade-env"], Pair(UNSAVED_ID, original)),
        )
    return pair


def _pair_of_seed(journal: Journal, seed: int) -> Pair:
    pair = journal.pairs.of_seed(seed)
    if pair:
        return pair
    original = journal.pairs.of_original(seed)
    if original and original.seed is not None:
        raise BadInput(f"environment {seed} is an original, not a seed: its seed is {original.seed}")
    known = [str(other.seed) for other in journal.pairs.all() if other.seed is not None]
    hint = f"known seeds: {', '.join(known)}" if known else "there is none yet, `octane upgrade-env ENV` makes one"
    raise BadInput(f"environment {seed} is not a seed of any upgrade; {hint}")


def _refuse_unprepared(journal: Journal, stage: Stage) -> None:
    """No stage of an upgrade can be run, or run again, on a master that was cleaned up or is being so."""
    if stage.takes is None:
        return
    if has_begun(journal, MASTER_ID, "cleanup-fuel") or not has_begun(journal, MASTER_ID, "prepare"):
        command = command_line(STAGES["prepare"], None)
        raise Refused(f"{stage.name} comes after prepare, which is not finished", next_command=command)


def _refuse_beside(journal: Journal, stage: Stage, pair: Pair | None) -> None:
    """Nothing is tried out once the real stage has begun, and that does not begin while a trial is half-way."""
    if pair is None:
        return
    if stage.beside and has_begun(journal, pair.id, stage.beside):
        going_on = command_line(STAGES[stage.beside], pair)
        raise Refused(f"{stage.beside} has begun, there is nothing to try out any more", next_command=going_on)
    for trial in STAGES.values():
        if trial.beside == stage.name and has_begun(journal, pair.id, trial.name):
            last = journal.runs.of_pair(pair.id, trial.name)[-1]
            again = command_line(trial, pair, last.options)
            raise Refused(f"{trial.name} is half-way: run it again", next_command=again)


def _refuse_half_back(journal: Journal, stage: Stage, pair: Pair | None) -> None:
    """What was taken back first was so for users: what is left of the stage, a copy of their data too, is of before."""
    if pair is None or not has_begun(journal, pair.id, stage.name):
        return
    records = journal.steps.of_stage(pair.id, stage.name)
    first = [step.name for step in records if step.status == UNDONE and step.definition.get("undo_first")]
    history = journal.runs.of_pair(pair.id, stage.name)
    if first and history and history[-1].act == "undo":
        back = undo_command(stage, pair)
        raise Refused(f"{stage.name} is half taken back: that is to be finished first", next_command=back)


def _refuse_unfinished(journal: Journal) -> None:
    """The master must not be cleaned up under an upgrade that still needs it."""
    last, first = STAGES["cleanup-env"], STAGES["upgrade-env"]
    for pair in journal.pairs.all():
        if has_begun(journal, pair.id, first.name) and not is_done(journal, pair.id, last.name):
            raise Refused(
                f"the upgrade of environment {pair.original} is not finished: finish it with "
                f"`{command_line(last, pair)}` or take it back with `{undo_command(first, pair)}`"
            )
