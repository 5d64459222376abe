# The monitors: the seed's join the original's cluster over the storage network, so that the switch has only to move them.

The stage may run:
  octane.stage:
    - stage: upgrade-ceph

Nothing stands in the way of the monitors:
  octane.step:
    - step: ceph.checked
    - library: octane.procedure.ceph:CephChecked

Choose how the monitors go, and write down what the cluster is:
  octane.step:
    - step: ceph.way_chosen
    - library: octane.procedure.ceph:ChooseWay

# They would ask a cluster that is no more, and later one whose contents their databases do not know yet.
Stop the seed's services:
  octane.step:
    - step: ceph.services_stopped
    - tgt: seeds
    - apply: octane_service.stopped
    - undo: octane_service.started
    - timeout: 600

Set the empty cluster aside with which the seed was deployed:
  octane.step:
    - step: ceph.own_set_aside
    - library: octane.procedure.ceph_join:SetAside

Bring keys and settings of the original's cluster to the seed:
  octane.step:
    - step: ceph.carried
    - library: octane.procedure.ceph_join:Carry

Lead the original monitors' addresses to them, from behind the seed's isolation:
  octane.step:
    - step: ceph.tunnels
    - library: octane.procedure.ceph_join:Tunnels

Make the monitors' elections quick while they join:
  octane.step:
    - step: ceph.quick
    - library: octane.procedure.ceph_join:Quick
    - until: ceph.as_before

Let the seed's monitors join one by one:
  octane.step:
    - step: ceph.joined
    - library: octane.procedure.ceph_join:Join

Let elections take the time that they took:
  octane.step:
    - step: ceph.as_before
    - library: octane.procedure.ceph_join:AsBefore

The cluster is what it was:
  octane.step:
    - step: ceph.same
    - library: octane.procedure.ceph_join:StillTheSame

The monitors are ready for the switch:
  octane.finished:
    - stage: upgrade-ceph
