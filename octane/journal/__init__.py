"""The record of an upgrade: one SQLite file on the master that survives the death of everything else."""

from octane.journal.store import Journal

__all__ = ["Journal"]
