The stage may run:
  octane.stage:
    - stage: upgrade-db

Copy:
  octane.step:
    - step: toy.copied
    - library: tests.functional.toy_steps:Write

The databases are upgraded:
  octane.finished:
    - stage: upgrade-db
