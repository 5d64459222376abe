"""The library behind the upgrade of a Fuel cloud: it runs on the Fuel master, where the Salt master runs."""
