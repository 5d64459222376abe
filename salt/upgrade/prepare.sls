# The Fuel master and the nodes of its environments made ready; the only stage that changes the master.

The stage may run:
  octane.stage:
    - stage: prepare
    - typed: octane.procedure.typed:prepare

The master is one that can be upgraded from:
  octane.step:
    - step: prepare.checked
    - library: octane.procedure.prepare:CheckMaster

Salt serves the procedure:
  octane.step:
    - step: prepare.salt
    - library: octane.procedure.prepare:ConfigureSalt

Nailgun can give the seed the original's addresses:
  octane.step:
    - step: prepare.clone_ips
    - library: octane.procedure.prepare:AddCloneIps

Nodes are minions, each key accepted by its fingerprint:
  octane.step:
    - step: prepare.enrolled
    - library: octane.procedure.prepare:Enrol

The master is prepared:
  octane.finished:
    - stage: prepare
