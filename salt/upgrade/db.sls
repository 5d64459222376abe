# The database stage: the original goes read-only, its data moves to the seed, is compared, migrated and proven.
# Until the last step the original is untouched, and `octane rollback-db SEED` gives it back its writes: that needs the
# original alone and comes first (undo_first), the last one of these steps first; then the seed is emptied.

The stage may run:
  octane.stage:
    - stage: upgrade-db

Nothing stands in the way of the databases:
  octane.step:
    - step: db.checked
    - library: octane.procedure.db_check:Preflight

Tell how long it will take, if it was rehearsed:
  octane.step:
    - step: db.estimated
    - library: octane.procedure.rehearsal:Estimate

The seed is still isolated:
  octane.step:
    - step: db.isolated
    - library: octane.procedure.isolation:Isolated

Remove what the seed's deployment left in it, by name:
  octane.step:
    - step: db.seed_emptied
    - library: octane.procedure.db:EmptySeed
    - undo: nothing

Finish the data migrations of the old release:
  octane.step:
    - step: db.old_migrations
    - library: octane.procedure.migration:FinishOldMigrations
    - undo: nothing

# What is stopped on the seed stays so when the stage is taken back: the seed is empty then, and its services would die
# and be started again without end.
Stop what would write to the seed's databases, in Pacemaker:
  octane.step:
    - step: db.seed_resources_stopped
    - tgt: seeds
    - apply: octane_cluster.stopped
    - undo: nothing

Stop what would write to the seed's databases, outside Pacemaker:
  octane.step:
    - step: db.seed_services_stopped
    - tgt: seeds
    - apply: octane_service.stopped
    - undo: nothing

Choose how the databases come to the seed, by what both sides' servers allow:
  octane.step:
    - step: db.way_chosen
    - library: octane.procedure.way:ChooseWay

Copy the databases and let the seed follow the original's log:
  octane.step:
    - step: db.replicated
    - library: octane.procedure.replica:Replicate
    - until: db.caught_up

Compare every table of both sides at one point of the log:
  octane.step:
    - step: db.proven
    - library: octane.procedure.replica:ProveEqual
    - until: db.caught_up

Copy the key repositories:
  octane.step:
    - step: db.keys_copied
    - library: octane.procedure.db:CopyKeys
    - undo: nothing

# Before the window, which it would make longer.
Let no migration end at the number of rows that Galera takes at once:
  octane.step:
    - step: db.limits_lifted
    - library: octane.procedure.limits:Lift
    - until: db.limits_restored
    - undo_alone: true

Make the original's HAProxy ready to refuse writes:
  octane.step:
    - step: db.refusal_armed
    - tgt: originals
    - apply: octane_api.armed
    - kwargs_from: octane.procedure.apis:passes
    - undo: octane_api.absent
    - undo_first: true

# Rows, tables and work that stands still may have come in the hours that the copy took; and the question that is asked
# before each command of the migration is asked before anybody is refused anything.
Nothing stands in the way of the databases still, right before the window:
  octane.step:
    - step: db.checked_still
    - library: octane.procedure.db_check:StillChecked

# A port may have come back in the hours that the copy took; the migrations go to an address that both clouds hold.
The seed is isolated still, right before the window:
  octane.step:
    - step: db.isolated_still
    - library: octane.procedure.isolation:Isolated

Refuse writes on the original cloud's APIs:
  octane.step:
    - step: db.refuse_writes
    - tgt: originals
    - apply: octane_api.read_only
    - kwargs_from: octane.procedure.apis:passes
    - undo: octane_api.read_write
    - undo_first: true
    - holds: [writes_refused]

Let the services finish what they are in the middle of:
  octane.step:
    - step: db.work_ended
    - library: octane.procedure.db:WorkEnds

Stop what writes to the original without being asked:
  octane.step:
    - step: db.writers_stopped
    - tgt: originals
    - apply: octane_service.stopped
    - kwargs:
        kill_after: 2
        remember: true
    - kwargs_from: octane.procedure.db:writers
    - undo: octane_service.started
    - undo_kwargs:
        remember: true
    - undo_kwargs_from: octane.procedure.db:writers
    - undo_first: true

Nothing writes any more, as every table or the log says:
  octane.step:
    - step: db.frozen
    - library: octane.procedure.db:Freeze
    - undo_first: true

Note what users know of their things:
  octane.step:
    - step: db.identities
    - library: octane.procedure.db_verify:Snapshot

Compare what changed since the last proof, and stop the replication:
  octane.step:
    - step: db.caught_up
    - library: octane.procedure.replica:CatchUp

Without a replica, stream the databases to the seed and compare every table:
  octane.step:
    - step: db.copied
    - library: octane.procedure.db:Copy

The original has no other keys than before the window:
  octane.step:
    - step: db.keys_equal
    - library: octane.procedure.db:CopyKeys
    - undo: nothing

Migrate the schemas, each proven by the new release's own scripts:
  octane.step:
    - step: db.migrated
    - library: octane.procedure.migration:Migrate
    - undo: nothing

Put right what the copy says of the cloud it came from:
  octane.step:
    - step: db.rewritten
    - library: octane.procedure.migration:Rewrite
    - undo: nothing

# Read when the services of the seed are started, in the next stage.
Let the seed's configuration say what the copy says:
  octane.step:
    - step: db.settings
    - library: octane.procedure.settings:FollowCopy
    - undo_alone: true

Finish the data migrations of the new release:
  octane.step:
    - step: db.new_migrations
    - library: octane.procedure.migration:FinishNewMigrations
    - undo: nothing

Limit transactions of the seed's databases as before:
  octane.step:
    - step: db.limits_restored
    - library: octane.procedure.limits:Restore
    - undo: nothing

Everything that users know is on the seed as it was:
  octane.step:
    - step: db.verified
    - library: octane.procedure.db_verify:Verify

Nothing was written to the original meanwhile:
  octane.step:
    - step: db.nothing_lost
    - library: octane.procedure.db:NothingLost
    - holds: [writes_refused]

Each of the seed's database servers has what came to the first:
  octane.step:
    - step: db.seed_together
    - library: octane.procedure.together:SeedTogether

Remove the account and the tunnel of the replication:
  octane.step:
    - step: db.replication_ended
    - library: octane.procedure.replica:EndReplication

The databases are upgraded:
  octane.finished:
    - stage: upgrade-db
