The stage may run:
  octane.stage:
    - stage: upgrade-env
    - typed: tests.functional.toy_steps:only_environment_1

Clone:
  octane.step:
    - step: toy.clone
    - library: tests.functional.toy_steps:BindSeed

The environment is cloned:
  octane.finished:
    - stage: upgrade-env
