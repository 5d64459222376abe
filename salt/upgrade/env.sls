# A seed environment beside the original: same settings and addresses, its controllers deployed behind their isolation.
# pillar: {original: ENVIRONMENT, nodes: [SPARE NODES]}; without nodes, free ones are chosen.

The stage may run:
  octane.stage:
    - stage: upgrade-env
    - typed: octane.procedure.typed:upgrade_env

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

Give the seed its controllers:
  octane.step:
    - step: env.assigned
    - library: octane.procedure.env:Assign

Lay out their disks and interfaces like the original's:
  octane.step:
    - step: env.laid_out
    - library: octane.procedure.addresses:Layout

Give them the original's addresses:
  octane.step:
    - step: env.addresses
    - library: octane.procedure.addresses:CopyAddresses

Install the operating system:
  octane.step:
    - step: env.provisioned
    - library: octane.procedure.env:Provision

Make them minions:
  octane.step:
    - step: env.enrolled
    - library: octane.procedure.enrol:EnrolSeed

Cut them off management, public and tenants by their facts:
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

Configure their networks, and nothing else yet:
  octane.step:
    - step: env.networks
    - library: octane.procedure.seed_network:Netconfig

Join them over the administration network:
  octane.step:
    - step: env.overlay
    - library: octane.procedure.seed_network:Overlay

They are isolated, asked from both sides, before anything of OpenStack runs:
  octane.step:
    - step: env.isolated
    - library: octane.procedure.isolation:Isolated

Deploy the seed:
  octane.step:
    - step: env.deployed
    - library: octane.procedure.env:Deploy

Tell what clients of the original reach and the seed does not serve:
  octane.step:
    - step: env.served_alike
    - library: octane.procedure.apis:ServedAlike

They are still isolated:
  octane.step:
    - step: env.still_isolated
    - library: octane.procedure.isolation:Isolated

The seed is ready:
  octane.finished:
    - stage: upgrade-env
