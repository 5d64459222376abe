"""Clients that run through everything that happens to the cloud, and what they saw."""
