"""The function that Nailgun 7.0 lacks, as an extension of its own: `POST /clusters/ORIGINAL/upgrade/clone_ips`.

The package octane_clone_ips is copied to the master and runs inside Nailgun there, on Python 2.6; nothing here imports
it.
"""
