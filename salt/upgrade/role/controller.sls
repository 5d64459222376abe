# A controller of the original, fenced since the switch, is installed anew and joins the seed's as a further one.
# One node a run. pillar: {seed: ENVIRONMENT, node: NUMBER}. Afterwards there is no way back to the original's controllers.

The stage may run:
  octane.stage:
    - stage: upgrade-node
    - typed: octane.procedure.typed:upgrade_controller

It is fenced, and those that serve are whole:
  octane.step:
    - step: node.ready
    - library: octane.procedure.joining:Ready

Delete the facts that isolated the seed, or its deployment would isolate it again:
  octane.step:
    - step: node.facts
    - library: octane.procedure.cleanup:DeleteFacts
    - undo: nothing

Give the seed its release's deployment tasks back:
  octane.step:
    - step: node.tasks
    - library: octane.procedure.joining:RestoreTasks

Put temporary settings back, which the new controller would take over:
  octane.step:
    - step: node.settings
    - library: octane.procedure.cleanup:RestoreSettings
    - undo: nothing

Move it to the seed and install the operating system:
  octane.step:
    - step: node.moved
    - library: octane.procedure.joining:TakeOver

Make it a minion, with a new key:
  octane.step:
    - step: node.enrolled
    - library: octane.procedure.joining:Enrol

Deploy it as a further controller:
  octane.step:
    - step: node.deployed
    - library: octane.procedure.joining:Deploy

Speak the old release to the old computes, also after this deployment:
  octane.step:
    - step: node.pinned
    - library: octane.procedure.joining:Pin

It is a member of every cluster, and every API answers:
  octane.step:
    - step: node.joined
    - library: octane.procedure.joining:Joined

The controller is upgraded:
  octane.finished:
    - stage: upgrade-node
