"""What the database behind Nailgun refuses: columns that must not be empty, enumerations, and ids of other tables.

Every request that changes something ends with ``check``, as a transaction does: Nailgun makes a 400 of an integrity or
data error (observed). The sentences are those of PostgreSQL 15 behind SQLAlchemy 0.9, written from memory of both and
of the names in fuel-web's models; no capture has them. The real ones go on for further lines (DETAIL, LINE).
"""

from __future__ import annotations

from lab.nailgun import notifications
from lab.nailgun.errors import ApiError
from lab.nailgun.state import Row, State

NAMES = {"networks": "network_groups", "node_groups": "nodegroups"}
"""Tables that the database calls otherwise."""

REQUIRED = {
    "clusters": ("name", "release_id"),
    "node_groups": ("name", "cluster"),
    "networks": ("name",),
    "releases": ("name", "version"),
}
ENUMERATIONS = {
    ("releases", "state"): ("release_state", ("available", "unavailable")),
    ("notifications", "status"): ("notif_status", notifications.STATUSES),
}
SEGMENTATION = ("vlan", "gre", "tun")
REFERENCES = {
    ("networks", "release"): ("releases", "release"),
    ("networks", "group_id"): ("node_groups", "group_id"),
    ("clusters", "release_id"): ("releases", "release_id"),
    ("clusters", "pending_release_id"): ("releases", "pending_release_id"),
}
"""Column -> the table it points to, and the name its constraint has it by."""


class IntegrityError(ApiError):
    """400: a row would break a constraint."""

    status = 400

    def __init__(self, sentence: str) -> None:
        super().__init__(f"(IntegrityError) {sentence}")


class DataError(ApiError):
    """400: a value that its column, or a comparison with it, cannot take."""

    status = 400

    def __init__(self, sentence: str) -> None:
        super().__init__(f"(DataError) {sentence}")


def identity(text: str) -> int:
    """The id that a query names; DataError when it is no number."""
    try:
        return int(text)
    except ValueError:
        raise DataError(f'invalid input syntax for type integer: "{text}"') from None


def of_cluster(state: State, table: str, query: dict[str, str]) -> list[Row]:
    """Rows of the environment that the query names by ``cluster_id``, of none when that is empty, or all of them."""
    wanted = query.get("cluster_id")
    if wanted is None:
        return state.rows(table)
    return state.rows(table, cluster=identity(wanted) if wanted else None)


def check(state: State) -> None:
    """Refuse what the tables may not hold; IntegrityError, DataError."""
    for (table, column), (name, values) in ENUMERATIONS.items():
        for row in state.rows(table):
            _check_enumeration(name, row.get(column), values)
    for cluster in state.rows("clusters"):
        _check_enumeration("segmentation_type", cluster["parameters"].get("segmentation_type"), SEGMENTATION)
    for table, columns in REQUIRED.items():
        for row in state.rows(table):
            _check_filled(table, [column for column in columns if row.get(column) is None])
    for (table, column), (target, short) in REFERENCES.items():
        named = NAMES.get(table, table)
        for row in state.rows(table):
            if row.get(column) is not None and state.get(target, row[column]) is None:
                raise IntegrityError(
                    f'insert or update on table "{named}" violates foreign key constraint "{named}_{short}_fkey"'
                )


def _check_enumeration(name: str, value: object, values: tuple[str, ...]) -> None:
    if value is not None and value not in values:
        raise DataError(f'invalid input value for enum {name}: "{value}"')


def _check_filled(table: str, empty: list[str]) -> None:
    if empty:
        relation = NAMES.get(table, table)
        raise IntegrityError(f'null value in column "{empty[0]}" of relation "{relation}" violates not-null constraint')
