{% set world = salt["environ.get"]("TOY_WORLD") %}
The stage may run:
  octane.stage:
    - stage: prepare

Write a file on the node:
  octane.step:
    - step: toy.node_file
    - tgt: [node-1]
    - apply: file.managed
    - kwargs: {name: {{ world }}/on_node}
    - kwargs_from: tests.functional.toy_steps:written
    - undo: file.absent
    - undo_kwargs: {name: {{ world }}/on_node}
    - undo_first: true
    - timeout: 40

Write a file in the library:
  octane.step:
    - step: toy.library_file
    - library: tests.functional.toy_steps:Write

Write into a directory that must be there:
  octane.step:
    - step: toy.needs_directory
    - tgt: node-1
    - apply: file.managed
    - kwargs: {name: {{ world }}/directory/file, contents: toy}
    - undo: file.absent
    - undo_kwargs: {name: {{ world }}/directory/file}

Put back what was borrowed:
  octane.step:
    - step: toy.put_back
    - library: tests.functional.toy_steps:PutBack
    - always: true

The master is prepared:
  octane.finished:
    - stage: prepare
