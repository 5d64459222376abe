# The checks of the database stage by themselves: everything that would keep it from going well, at once.

The stage may run:
  octane.stage:
    - stage: check-db

Finish the data migrations of the old release, if asked to:
  octane.step:
    - step: db.old_migrations
    - library: octane.procedure.migration:FinishOldMigrations
    - undo: nothing

Nothing stands in the way of the databases:
  octane.step:
    - step: db.checked
    - library: octane.procedure.db_check:Preflight

The databases can be upgraded:
  octane.finished:
    - stage: check-db
