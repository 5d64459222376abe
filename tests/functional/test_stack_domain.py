"""
The domain of stacks' users that Heat is told of, looked for in Keystone's real databases, where it moves with releases.
"""

import os

import pytest

from tests.functional.mariadb import MISSING

pytestmark = [
    pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}"),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mariadbd runs as root here"),
]
UP_TO_LIBERTY = """
DELETE FROM `user` WHERE id = 'u-heat'; DELETE FROM domain WHERE id = 'd-heat';
INSERT INTO domain (id, name, enabled, extra) VALUES ('d-heat', 'stacks', 1, '{}');
INSERT INTO `user` (id, name, domain_id, enabled, extra) VALUES ('u-heat', 'stacks_admin', 'd-heat', 1, '{}');
"""
LATER = """
INSERT INTO project (id, name, enabled, domain_id, is_domain, extra)
VALUES ('d-heat', 'stacks', 1, '<<keystone.domain.root>>', 1, '{}');
INSERT INTO `user` (id, enabled, domain_id, extra) VALUES ('u-heat', 1, 'd-heat', '{}');
INSERT INTO local_user (user_id, domain_id, name) VALUES ('u-heat', 'd-heat', 'stacks_admin');
"""
ROWS = {"juno": UP_TO_LIBERTY, "kilo": UP_TO_LIBERTY, "antelope": LATER}
CONFIGURATIONS = {
    "stack_user_domain=d-heat": {"id": "d-heat", "name": None},
    "stack_user_domain_id = d-heat": {"id": "d-heat", "name": None},
    "stack_user_domain_name = stacks": {"id": None, "name": "stacks"},
}


@pytest.mark.parametrize("release", ROWS)
def test_what_heat_is_told_is_found_in_every_release_and_what_is_missing_named(clouds, release, tmp_path):
    cloud = clouds(release)
    call = cloud.server.node.call
    wanted = {"id": None, "name": "stacks", "admin": "stacks_admin"}
    assert call("octane_heat.unknown", wanted) == ["Keystone has no domain of the name stacks"]
    cloud.plant("keystone", ROWS[release])
    path = tmp_path / "heat.conf"
    for line, told in CONFIGURATIONS.items():
        path.write_text(f"[DEFAULT]\n{line}\nstack_domain_admin = stacks_admin\n")
        found = call("octane_heat.stack_domain", str(path))
        assert found == {**told, "admin": "stacks_admin"}
        assert call("octane_heat.unknown", found) == []
    other = {**wanted, "admin": "it's heat_admin"}
    (told,) = call("octane_heat.unknown", other)
    assert told == "Keystone has no user it's heat_admin in the domain of the name stacks"
    # A project of that name is no domain.
    assert call("octane_heat.unknown", {"id": None, "name": "admin", "admin": None}) != []
    cloud.restore("keystone")


def test_a_heat_that_is_told_none_misses_none(clouds, tmp_path):
    path = tmp_path / "heat.conf"
    path.write_text("[DEFAULT]\nstack_domain_admin = heat_admin\n")
    call = clouds("antelope").server.node.call
    assert call("octane_heat.stack_domain", str(path)) == {} == call("octane_heat.stack_domain", str(tmp_path / "none"))
    assert call("octane_heat.unknown", {}) == []
