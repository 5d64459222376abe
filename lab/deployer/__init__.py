"""What Cobbler, Astute and Puppet do in a Fuel cloud: from Nailgun's deployment facts to running nodes."""
