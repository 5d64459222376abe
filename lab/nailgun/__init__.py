"""A Nailgun: the HTTP API of a Fuel 7.0 master, with its rules, over a state in one file.

Behaviour was observed on a real Nailgun 7.0 that had been upgraded from 6.1 (statuses, messages and bodies are those it
gave). The rules are functions over a ``state.State``; ``server`` serves them, ``deployer`` says what installs hosts.
"""
