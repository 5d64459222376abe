# What prepare changed on the Fuel master is as it was before, and so is the minion of every node, which runs if it ran.
# On nodes there stays what the upgrade made of them, their fences included; in /var/lib/octane-node what the modules
# noted, and the rows that a rollback kept for their owners; and the keys and the caches of Salt.

The stage may run:
  octane.stage:
    - stage: cleanup-fuel

Nailgun is as it was, to the byte:
  octane.step:
    - step: cleanup_fuel.clone_ips
    - library: octane.procedure.addition:RemoveCloneIps

Nodes are minions as they were before, or none:
  octane.step:
    - step: cleanup_fuel.withdrawn
    - library: octane.procedure.prepare:Withdraw

Salt's configuration is as it was:
  octane.step:
    - step: cleanup_fuel.salt
    - library: octane.procedure.prepare:RestoreSalt

The master is cleaned up:
  octane.finished:
    - stage: cleanup-fuel
