# The switch: the seed's controllers take the original's addresses, the computes talk to them, users write again.

The stage may run:
  octane.stage:
    - stage: upgrade-control

Every controller answers, or is stated to be powered off:
  octane.step:
    - step: control.answering
    - library: octane.procedure.control:Answering

Know every port that moves, on both sides:
  octane.step:
    - step: control.ports_planned
    - library: octane.procedure.control:PlanPorts

What clients reach is on both sides:
  octane.step:
    - step: control.served_alike
    - library: octane.procedure.apis:ServedAlike

The seed is still isolated:
  octane.step:
    - step: control.isolated
    - library: octane.procedure.isolation:Isolated

Speak the old release to the old computes:
  octane.step:
    - step: control.pinned
    - tgt: seeds
    - apply: octane_nova.upgrade_levels
    - kwargs_from: octane.procedure.control:pin
    - undo: octane_nova.upgrade_levels
    - undo_kwargs: {compute: null}

Refuse writes on the seed's APIs until the computes are back:
  octane.step:
    - step: control.refuse_writes
    - until: control.accept_writes
    - tgt: seeds
    - apply: octane_api.read_only
    - kwargs_from: octane.procedure.apis:passes
    - undo: octane_api.absent

Forget what the seed cached of the cloud it was before the copy:
  octane.step:
    - step: control.caches_dropped
    - tgt: seeds
    - apply: octane_service.restarted
    - kwargs: {services: [memcached]}
    - undo: nothing
    - until: control.accept_writes

Start the seed's services outside Pacemaker:
  octane.step:
    - step: control.services_started
    - tgt: seeds
    - apply: octane_service.started
    - undo: octane_service.stopped
    - timeout: 600

Start the seed's services in Pacemaker:
  octane.step:
    - step: control.resources_started
    - tgt: seeds
    - apply: octane_cluster.started
    - undo: octane_cluster.stopped
    - timeout: 600

Let the seed's agents host the tenants' routers and networks, behind the isolation:
  octane.step:
    - step: control.tenants_hosted
    - library: octane.procedure.tenants:HostTenants

Warm every API of the seed:
  octane.step:
    - step: control.warmed
    - library: octane.procedure.control:Warm
    - undo: nothing

# Taken back after the switch is, when nothing reaches the seed any more.
Note where the seed's logs stand, so that nothing written from now on is lost on the way back:
  octane.step:
    - step: control.writes_noted
    - library: octane.procedure.written:NoteWrites

# A port may have come back while the seed's services were started.
The seed is isolated still, right before the addresses move:
  octane.step:
    - step: control.isolated_still
    - library: octane.procedure.isolation:Isolated

A port without a bridge must not tell the original's addresses once they have moved:
  octane.step:
    - step: control.original_strict_arp
    - tgt: originals
    - apply: octane_net.strict_arp
    - undo: octane_net.arp_as_before

Move the addresses:
  octane.step:
    - step: control.switched
    - library: octane.procedure.control:Switch
    - holds: [original_silent]

Connect the computes to the new brokers:
  octane.step:
    - step: control.reconnected
    - library: octane.procedure.control:Reconnect
    - undo: nothing

Accept writes again:
  octane.step:
    - step: control.accept_writes
    - tgt: seeds
    - apply: octane_api.absent
    - undo: octane_api.read_only
    - undo_kwargs_from: octane.procedure.apis:passes
    - holds: [writes_accepted]

Nobody looks for an address where it was before, on computes and behind the gateway:
  octane.step:
    - step: control.peers_know
    - library: octane.procedure.neighbours:PeersKnow
    - undo: nothing

Remove the overlay between the seed's controllers:
  octane.step:
    - step: control.overlay_removed
    - library: octane.procedure.control:DropOverlay
    - undo: nothing

Answer ARP as before the isolation:
  octane.step:
    - step: control.arp_as_before
    - tgt: seeds
    - apply: octane_net.arp_as_before
    - undo: octane_net.strict_arp

# Behind the isolation their public network led nowhere.
Send what leaves the seed's controllers through their public network, as from the original's:
  octane.step:
    - step: control.routes
    - tgt: seeds
    - apply: octane_net.default_route
    - kwargs_from: octane.procedure.isolation:gateways
    - undo: octane_net.default_route_as_before

Fence the original's controllers, also against a reboot:
  octane.step:
    - step: control.fenced
    - tgt: originals
    - apply: octane_net.fence
    - kwargs_from: octane.procedure.control:fence
    - undo: octane_net.unfenced
    - undo_kwargs_from: octane.procedure.control:behind_the_fence
    - timeout: 600
    - holds: [original_silent]

Delete the facts that isolated the seed, so that changes of its settings count from now on:
  octane.step:
    - step: control.facts_deleted
    - library: octane.procedure.cleanup:DeleteFactsForNow
    - undo_alone: true

Wait for every compute to report:
  octane.step:
    - step: control.computes_report
    - library: octane.procedure.control:ComputesReport

The control plane is upgraded:
  octane.finished:
    - stage: upgrade-control
