"""Properties that must hold, each with its evidence."""
