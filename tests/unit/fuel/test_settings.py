from octane.fuel import settings

SEED = {
    "public_ssl": {"horizon": True, "services": True, "hostname": "public.fuel.local"},
    "provision": {"method": "cobbler"},
}


def test_tls_is_off_where_the_original_has_none():
    wanted = settings.wanted({"common": {}}, SEED)
    assert wanted["public_ssl"] == {"horizon": False, "services": False}


def test_tls_is_what_the_original_has():
    wanted = settings.wanted({"public_ssl": {"horizon": True, "services": False}}, SEED)
    assert wanted["public_ssl"] == {"horizon": True, "services": False}


def test_name_and_time_servers_are_the_originals():
    original = {"external_dns": {"dns_list": "8.8.8.8"}, "external_ntp": {"ntp_list": "pool.ntp.org"}}
    seed = {**SEED, "external_dns": {"dns_list": "10.20.0.2"}, "external_ntp": {"ntp_list": "pool.ntp.org"}}
    changes = settings.differences(seed, settings.wanted(original, seed))
    assert changes["external_dns"] == {"dns_list": "8.8.8.8"} and "external_ntp" not in changes


def test_a_setting_that_the_seed_does_not_have_is_not_made_up():
    assert settings.wanted({}, {"provision": {"method": "image"}}) == {"provision": {"method": "image"}}


def test_only_differences_are_set_and_their_old_values_known():
    changes = settings.differences(SEED, settings.wanted({}, SEED))
    assert changes == {"public_ssl": {"horizon": False, "services": False}, "provision": {"method": "image"}}
    assert settings.old_values(SEED, changes) == {
        "public_ssl": {"horizon": True, "services": True},
        "provision": {"method": "cobbler"},
    }
    done = {**SEED, "public_ssl": {**SEED["public_ssl"], **changes["public_ssl"]}, "provision": {"method": "image"}}
    assert settings.differences(done, settings.wanted({}, done)) == {}


def test_values_are_read_and_written_in_the_api_s_form():
    editable = {"provision": {"method": {"value": "image", "type": "hidden"}, "metadata": {"label": "Provision"}}}
    assert settings.values(editable) == {"provision": {"method": "image"}}
    assert settings.as_editable({"provision": {"method": "image"}}) == {"provision": {"method": {"value": "image"}}}
