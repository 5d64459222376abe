"""The stages, step by step: what each orchestration of `salt/upgrade/` calls."""
