"""The window is told from the product's journal: from the first step that refuses writes to the last that needs it."""

from lab.bench import window

JOURNAL = {
    "db.replicated": (100, 140),
    "db.refuse_writes": (150, 151.4),
    "db.frozen": (151.5, 154),
    "db.caught_up": (154, 156),
    "db.migrated": (156, 176),
    "db.rewritten": (176, 178),
    "db.new_migrations": (178, 181),
    "db.verified": (181, 182),
    "db.nothing_lost": (182, 183),
    "db.replication_ended": (183, 190),
}


def test_what_comes_before_and_after_is_not_of_the_window():
    steps = {name: {"started": a, "ended": b, "seconds": b - a} for name, (a, b) in JOURNAL.items()}
    found = window.window(steps)
    assert {name: found[name] for name in ("window", "migrations", "beyond")} == {
        "window": 33,
        "migrations": 25,
        "beyond": 8,
    }
    assert list(found["steps"]) == list(JOURNAL)[1:-1]
