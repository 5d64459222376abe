# The database stage for practice, on a scratch server of the seed; users notice nothing, and nothing of it stays.

The stage may run:
  octane.stage:
    - stage: rehearse-db

Finish the data migrations of the old release, if asked to:
  octane.step:
    - step: db.old_migrations
    - library: octane.procedure.migration:FinishOldMigrations
    - undo: nothing

Nothing stands in the way of the databases:
  octane.step:
    - step: db.checked
    - library: octane.procedure.db_check:Preflight

Start a scratch server on the seed:
  octane.step:
    - step: rehearsal.started
    - library: octane.procedure.rehearsal:Scratch

Copy the databases to it:
  octane.step:
    - step: rehearsal.copied
    - library: octane.procedure.rehearsal:Copy

Migrate the copy, each schema proven by the new release's own scripts:
  octane.step:
    - step: rehearsal.migrated
    - library: octane.procedure.rehearsal:Migrate

Put right what the copy says of the cloud it came from:
  octane.step:
    - step: rehearsal.rewritten
    - library: octane.procedure.rehearsal:Rewrite

Finish the data migrations of the new release:
  octane.step:
    - step: rehearsal.finished
    - library: octane.procedure.rehearsal:Finish

Compare everything that users know before and after:
  octane.step:
    - step: rehearsal.verified
    - library: octane.procedure.rehearsal:Verify

Remember how long it took:
  octane.step:
    - step: rehearsal.passed
    - library: octane.procedure.rehearsal:Remember

Throw the copy away:
  octane.step:
    - step: rehearsal.thrown_away
    - library: octane.procedure.rehearsal:ThrowAway
    - always: true

The databases were rehearsed:
  octane.finished:
    - stage: rehearse-db
