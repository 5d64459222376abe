"""The command line, `octane`."""
