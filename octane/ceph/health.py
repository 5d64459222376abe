"""A cluster's health: which check stands in the way of what, by name.

Releases before Luminous tell sentences (``overall_status``, ``summary``, ``detail``, ``timechecks``), later ones checks
with names (``status``, ``checks``). Luminous tells both, and its ``summary`` is a note that the format has changed:
where there are ``checks``, nothing else is looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from octane.ceph.health_checks import FLAGS, KINDS, STATES, Kind, unknown
from octane.errors import BadInput, Refused

OK = "HEALTH_OK"
CRITICAL_PERCENT = 5
"""Of a monitor's disk that is free, at which it stops by itself (observed: exit 28 on Ceph 16.2.15)."""


@dataclass(frozen=True)
class Reason:
    """A check that is raised; ``messages`` and ``detail`` are Ceph's own sentences, ``muted`` changes nothing: somebody
    else's silence is no consent."""

    kind: Kind
    severity: str
    messages: tuple[str, ...]
    detail: tuple[str, ...] = ()
    muted: bool = False

    @property
    def name(self) -> str:
        return self.kind.name

    @property
    def sentence(self) -> str:
        return f"{self.name}: {'; '.join(self.messages)} ({self.kind.remedy})"


@dataclass(frozen=True)
class Health:
    """``verdict`` is HEALTH_OK, HEALTH_WARN or HEALTH_ERR; there is at least a reason unless it is HEALTH_OK."""

    verdict: str
    reasons: tuple[Reason, ...]

    def stopping(self, what: str) -> tuple[Reason, ...]:
        """The reasons that stand in the way of WHAT, ``health_checks.MONITORS`` or ``health_checks.OSDS``."""
        return tuple(reason for reason in self.reasons if what in reason.kind.stops)


def require(health: Health, what: str) -> None:
    """WHAT may begin as far as HEALTH is concerned.

    :raises Refused: naming each check in its way, with a remedy
    """
    stopping = health.stopping(what)
    if stopping:
        raise Refused(f"Ceph's health does not allow {what}: {', '.join(reason.sentence for reason in stopping)}")


def read(document: Mapping[str, Any]) -> Health:
    """The health of a cluster.

    :param document: parsed JSON of ``ceph status``, ``ceph health`` or ``ceph health detail`` of any release
    :raises BadInput: it tells no health
    """
    within = document.get("health")
    health = within if isinstance(within, Mapping) and within.keys() & {"checks", "overall_status"} else document
    verdict = health.get("status" if "checks" in health else "overall_status")
    if not verdict:
        raise BadInput(
            "this is no health of Ceph: it has neither `checks` nor `overall_status`; ask `ceph health detail`"
        )
    reasons = tuple(_checked(health["checks"]) if "checks" in health else _told(health))
    if verdict != OK and not reasons:
        reasons = (Reason(unknown(f"{verdict} without a reason"), verdict, ("Ceph names no reason",)),)
    return Health(verdict, reasons)


def _checked(checks: Mapping[str, Any]) -> Iterator[Reason]:
    for name, check in checks.items():
        message = check["summary"]["message"]
        detail = tuple(line["message"] for line in check.get("detail", ()))
        for kind in _named(name, message):
            yield Reason(kind, check["severity"], (message,), detail, check.get("muted", False))


def _named(name: str, message: str) -> list[Kind]:
    return _flags(message) if name == "OSDMAP_FLAGS" else [KINDS.get(name) or unknown(name)]


def _told(health: Mapping[str, Any]) -> list[Reason]:
    """The reasons of releases before Luminous; sentences of one check are one reason."""
    found: dict[Kind, list[tuple[str, str]]] = {}
    for severity, sentence in _sentences(health):
        for kind in _kinds(sentence):
            found.setdefault(kind, []).append((severity, sentence))
    details = list(health.get("detail", ()))
    return [_reason(kind, told, details) for kind, told in found.items()]


def _reason(kind: Kind, told: list[tuple[str, str]], details: Iterable[str]) -> Reason:
    # HEALTH_ERR comes before HEALTH_WARN.
    severity = min(severity for severity, _ in told)
    messages = tuple(dict.fromkeys(sentence for _, sentence in told))
    return Reason(kind, severity, messages, tuple(line for line in details if kind.explains(line)))


def _sentences(health: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for one in health.get("summary", ()):
        yield one["severity"], one["summary"].strip()
    # Firefly tells of a clock that is wrong here alone.
    for one in health.get("timechecks", {}).get("mons", ()):
        if one["health"] != OK:
            yield one["health"], f"mon.{one['name']} {one.get('details') or 'clock skew'}"
    for one in _monitor_disks(health):
        if one["avail_percent"] < CRITICAL_PERCENT:
            yield "HEALTH_ERR", f"mon.{one['name']} low disk space, shutdown imminent -- {one['avail_percent']}% avail"


def _monitor_disks(health: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for service in health.get("health", {}).get("health_services", ()):
        yield from (one for one in service.get("mons", ()) if "avail_percent" in one)


def _kinds(sentence: str) -> list[Kind]:
    if "flag(s) set" in sentence:
        return _flags(sentence)
    counted = re.fullmatch(r"\d+ pgs (?:stuck )?(\S+)", sentence)
    if counted:
        return [STATES.get(counted[1]) or unknown(f"pgs {counted[1]}")]
    return [next((kind for kind in KINDS.values() if kind.says(sentence)), None) or unknown(sentence)]


def _flags(sentence: str) -> list[Kind]:
    """A check for each flag of "nodown,noout flag(s) set"."""
    flags = sentence.removesuffix("flag(s) set").strip().split(",")
    return [FLAGS.get(flag) or unknown(f"OSDMAP_FLAGS {flag}") for flag in flags]
