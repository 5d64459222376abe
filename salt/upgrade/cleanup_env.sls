# After the switch: temporary settings are what they were, records of hosts that are gone are deleted.

The stage may run:
  octane.stage:
    - stage: cleanup-env

Delete the facts that isolated the seed:
  octane.step:
    - step: cleanup_env.facts
    - library: octane.procedure.cleanup:DeleteFacts

Give the seed its release's deployment tasks back:
  octane.step:
    - step: cleanup_env.tasks
    - library: octane.procedure.cleanup:RestoreTasks

Put temporary settings back:
  octane.step:
    - step: cleanup_env.settings
    - library: octane.procedure.cleanup:RestoreSettings

Delete records of hosts that are in neither environment:
  octane.step:
    - step: cleanup_env.records
    - library: octane.procedure.cleanup:DeleteStaleRecords

Remove the keys that the seed had before it got the original's:
  octane.step:
    - step: cleanup_env.keys
    - library: octane.procedure.cleanup:ForgetKeys

The upgrade is cleaned up:
  octane.finished:
    - stage: cleanup-env
