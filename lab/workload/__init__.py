"""Clients of the cloud's Ceph that run through everything, and what they saw."""
