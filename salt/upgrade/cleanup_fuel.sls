# Everything that prepare changed on the Fuel master and on nodes is as it was before.

The stage may run:
  octane.stage:
    - stage: cleanup-fuel

Nailgun is as it was, to the byte:
  octane.step:
    - step: cleanup_fuel.clone_ips
    - library: octane.procedure.addition:RemoveCloneIps

Nodes are no minions any more:
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
