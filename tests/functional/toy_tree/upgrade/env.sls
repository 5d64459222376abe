The stage may run:
  octane.stage:
    - stage: upgrade-env

Clone:
  octane.step:
    - step: toy.clone
    - library: tests.functional.toy_steps:BindSeed

The environment is cloned:
  octane.finished:
    - stage: upgrade-env
