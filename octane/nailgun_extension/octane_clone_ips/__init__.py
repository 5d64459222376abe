"""Gives the seed's controllers the addresses of the original's. Runs inside Nailgun 7.0 (Python 2.6)."""
