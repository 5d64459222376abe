# A node of the original with OSDs, perhaps a compute as well, is installed anew and joins the seed; its data disks stay
# as they are. One node a run. pillar: {seed: ENVIRONMENT, node: NUMBER, ceph_osd: true}. Up to the step that moves it
# everything can be taken back, and is when a run fails; afterwards the way leads forward only.

The stage may run:
  octane.stage:
    - stage: upgrade-node
    - typed: octane.procedure.typed:upgrade_osd_host

Its OSDs may stop, and its disks are what the cluster and Fuel say they are:
  octane.step:
    - step: osd.ready
    - library: octane.procedure.osd_host:Ready

Delete the facts that isolated the seed, which would isolate the node:
  octane.step:
    - step: node.facts
    - library: octane.procedure.cleanup:DeleteFacts
    - undo: nothing

Give the seed its release's deployment tasks back:
  octane.step:
    - step: node.tasks
    - library: octane.procedure.joining:RestoreTasks

Put temporary settings back, which the node would take over:
  octane.step:
    - step: node.settings
    - library: octane.procedure.cleanup:RestoreSettings
    - undo: nothing

Write down what it holds, and what the cluster is:
  octane.step:
    - step: osd.noted
    - library: octane.procedure.osd_host:Note

No guest is on it, and none comes:
  octane.step:
    - step: osd.set_aside
    - library: octane.procedure.osd_steps:SetAside

Let Fuel keep the volumes of its OSDs:
  octane.step:
    - step: osd.kept
    - library: octane.procedure.osd_steps:Keep

Make the agent harmless by which Fuel erases a node:
  octane.step:
    - step: osd.disarmed
    - library: octane.procedure.osd_steps:Disarm

Let the cluster wait for OSDs that are away:
  octane.step:
    - step: osd.noout
    - library: octane.procedure.osd_steps:SetNoout

Stop its OSDs:
  octane.step:
    - step: osd.stopped
    - library: octane.procedure.osd_steps:Stop

Move it to the seed and install the operating system:
  octane.step:
    - step: osd.moved
    - library: octane.procedure.osd_steps:Move

Make it a minion, with a new key:
  octane.step:
    - step: osd.enrolled
    - library: octane.procedure.osd_steps:Enrol
    - undo: nothing

Give each OSD its disk back, by the label:
  octane.step:
    - step: osd.claimed
    - library: octane.procedure.osd_steps:Claim

Deploy it:
  octane.step:
    - step: osd.deployed
    - library: octane.procedure.osd_steps:Deploy

Start its OSDs, with their ids:
  octane.step:
    - step: osd.started
    - library: octane.procedure.osd_steps:Start

Every placement group is active and clean:
  octane.step:
    - step: osd.clean
    - library: octane.procedure.osd_steps:Clean
    - undo: nothing

Start the OSDs again if it was not installed anew:
  octane.step:
    - step: osd.started_again
    - library: octane.procedure.osd_steps:StartAgain
    - always: true
    - undo: nothing

Let guests come to it as before:
  octane.step:
    - step: osd.taken_in
    - library: octane.procedure.osd_steps:TakeIn
    - always: true
    - undo: nothing

Let the cluster heal itself as before:
  octane.step:
    - step: osd.noout_gone
    - library: octane.procedure.osd_steps:UnsetNoout
    - always: true
    - undo: nothing

Ids, uuids, weights and acting sets are what they were:
  octane.step:
    - step: osd.same
    - library: octane.procedure.osd_steps:Same
    - undo: nothing

The node is upgraded:
  octane.finished:
    - stage: upgrade-node
