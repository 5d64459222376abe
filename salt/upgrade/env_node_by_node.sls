# A seed environment without spare servers: the original's first controller leaves it, is installed anew and becomes the
# seed's only controller, behind its isolation; the others serve. pillar: {original: ENVIRONMENT, node_by_node: true}.

The stage may run:
  octane.stage:
    - stage: upgrade-env
    - typed: octane.procedure.typed:upgrade_env_node_by_node

Nothing stands in the way:
  octane.step:
    - step: env.preflight
    - library: octane.procedure.env:Preflight

Clone the original:
  octane.step:
    - step: env.cloned
    - library: octane.procedure.env:Clone

Set what must not come from the target release:
  octane.step:
    - step: env.settings
    - library: octane.procedure.env:Settings

The original's clusters are whole, every API answers:
  octane.step:
    - step: env.whole
    - library: octane.procedure.leaving:Whole

Let the others' agents host its tenants' routers and networks:
  octane.step:
    - step: env.tenants
    - library: octane.procedure.leaving:HandTenantsOver

Let the first controller leave, the others serve:
  octane.step:
    - step: env.left
    - library: octane.procedure.leaving:Leave
    - holds: [quorum_kept]

Move it to the seed and install the operating system:
  octane.step:
    - step: env.moved
    - library: octane.procedure.leaving:Move
    - holds: [quorum_kept]

Count on those that stay only:
  octane.step:
    - step: env.forgotten
    - library: octane.procedure.leaving:Forget
    - holds: [quorum_kept]

Make it a minion, with a new key:
  octane.step:
    - step: env.enrolled
    - library: octane.procedure.enrol:EnrolSeed

Cut it off management, public and tenants by its facts:
  octane.step:
    - step: env.facts
    - library: octane.procedure.isolation:IsolateFacts

Leave out tasks that cannot work in isolation:
  octane.step:
    - step: env.tasks
    - library: octane.procedure.seed_network:SkipTasks

Answer ARP only where an address belongs, or a port without a bridge would tell them outside:
  octane.step:
    - step: env.strict_arp
    - tgt: seeds
    - apply: octane_net.strict_arp
    - undo: octane_net.arp_as_before

Configure its networks, and nothing else yet:
  octane.step:
    - step: env.networks
    - library: octane.procedure.seed_network:Netconfig

It is isolated, asked from both sides, before anything of OpenStack runs:
  octane.step:
    - step: env.isolated
    - library: octane.procedure.isolation:Isolated

Deploy the seed:
  octane.step:
    - step: env.deployed
    - library: octane.procedure.env:Deploy
    - holds: [quorum_kept]

Tell what clients of the original reach and the seed does not serve:
  octane.step:
    - step: env.served_alike
    - library: octane.procedure.apis:ServedAlike

It is still isolated:
  octane.step:
    - step: env.still_isolated
    - library: octane.procedure.isolation:Isolated

The seed is ready:
  octane.finished:
    - stage: upgrade-env
