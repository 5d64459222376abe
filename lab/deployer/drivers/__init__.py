"""Drivers that the lab adds to the OpenStack environments: a hypervisor that is not there, a network without agents."""
