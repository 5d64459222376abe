"""Releases: each schema's is told from what its version tables say, and one left half-way is told as that."""

import pytest

from octane.errors import BadInput
from octane.path.hop import load_hops
from octane.path.release import UNKNOWN, Standing, load_releases, parse_release, standing

RELEASES = {release.name: release for release in load_releases()}
KEYSTONE = {"federation": 8, "oauth1": 5, "endpoint_filter": 2, "endpoint_policy": 1, "revoke": 2}


def migrate(**numbers):
    return {"alembic": [], "migrate": numbers}


def alembic(*revisions, **numbers):
    return {"alembic": list(revisions), "migrate": numbers}


def test_releases_are_ordered_by_version_and_not_by_name():
    assert list(RELEASES) == ["juno", "kilo", "liberty", "mitaka", "antelope", "caracal"]


@pytest.mark.parametrize("release", RELEASES.values(), ids=lambda release: release.name)
def test_the_heads_of_a_release_are_recognised_as_its_own(release):
    for database, heads in release.schemas.items():
        required = {name: one.lowest for name, one in heads.numbers.items() if not one.optional}
        found = standing(database, {"alembic": sorted(heads.revisions), "migrate": required})
        assert found.releases == (release.name,), database


@pytest.mark.parametrize("hop", load_hops(), ids=lambda hop: hop.name)
def test_both_releases_of_a_hop_are_known_with_every_database_it_moves(hop):
    for name in (hop.release_from, hop.release_to):
        assert set(hop.databases) <= set(RELEASES[name].schemas), name


@pytest.mark.parametrize(
    ("database", "heads", "said"),
    [
        ("nova", migrate(nova=264), "of juno"),
        ("nova", migrate(nova=265), "half-way between juno and kilo"),
        ("nova", migrate(nova=279), "half-way between juno and kilo"),
        ("nova", migrate(nova=290), "of kilo"),
        ("nova", migrate(nova=253), "older than juno's"),
        ("nova", migrate(nova=320), "newer than mitaka's"),
        ("cinder", migrate(cinder=57), "of liberty"),
        ("keystone", migrate(keystone=55, revoke=2), "of juno"),
        ("keystone", migrate(keystone=55, revoke=2, federation=3, oauth1=5), "of juno"),
        ("keystone", migrate(keystone=67, **KEYSTONE), "of kilo"),
        ("keystone", migrate(keystone=73, **KEYSTONE), "half-way between kilo and liberty"),
        # The main repository is migrated first, the extensions' after it.
        ("keystone", migrate(keystone=67, revoke=2), "half-way between juno and kilo"),
        ("keystone", migrate(keystone=67, **{**KEYSTONE, "federation": 5}), "half-way between juno and kilo"),
        ("neutron", alembic("34af2b5c5a59", "4af11ca47297"), "of liberty"),
        ("neutron", alembic("4ffceebfcdc"), "of mitaka"),
        ("neutron", alembic("34af2b5c5a59", "2a16083502f3"), "half-way between kilo and liberty"),
        ("neutron", alembic("0e66c5227a8a", "4af11ca47297"), "half-way between liberty and mitaka"),
        ("neutron", alembic("5c85685d616d", "0123456789ab"), "half-way between antelope and caracal"),
        ("heat", migrate(heat=86), "of antelope"),
        ("heat", alembic("c6214ca60943", heat=86), "of caracal"),
    ],
)
def test_where_a_schema_stands(database, heads, said):
    assert str(standing(database, heads)) == said


@pytest.mark.parametrize(
    ("database", "heads"),
    [
        ("nova", migrate()),
        ("nova", migrate(nova=254, vendor=3)),
        ("neutron", alembic("0123456789ab")),
        ("murano", migrate(murano=20)),
    ],
)
def test_what_no_release_explains_is_not_guessed(database, heads):
    assert standing(database, heads) == UNKNOWN == Standing()


@pytest.mark.parametrize(
    ("key", "value"),
    [("version", "2014"), ("name", "Juno 1"), ("schemas", {"nova": {}}), ("schemas", {"nova": {"x": 1}})],
)
def test_a_wrong_value_is_named_with_its_file(key, value):
    juno = {"name": "juno", "title": "Juno", "version": "2014.2", "schemas": {}}
    assert parse_release(juno, "mine.yaml").version == (2014, 2)
    with pytest.raises(BadInput, match=rf"mine\.yaml: {key}"):
        parse_release({**juno, key: value}, "mine.yaml")
