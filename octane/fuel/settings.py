"""Settings of the seed that must not be what cloning made of them. Pure.

Settings are changed before the first node is deployed: afterwards Nailgun answers 403 for nearly every section. What is
needed only while the seed is isolated is therefore no matter of settings but of facts (`octane.fuel.facts`).
"""

from __future__ import annotations

from typing import Any

SURROUNDINGS = {"external_dns": ("dns_list",), "external_ntp": ("ntp_list",)}
"""Name and time servers, which facts replace while the seed is isolated: the settings themselves are the original's."""

Editable = dict[str, Any]
Values = dict[str, dict[str, Any]]
"""{section: {name: value}}"""


def values(editable: Editable) -> Values:
    """The bare values of an environment's editable settings; sections of plugins and labels come through too."""
    return {
        section: {
            name: entry["value"] for name, entry in entries.items() if isinstance(entry, dict) and "value" in entry
        }
        for section, entries in editable.items()
        if isinstance(entries, dict)
    }


def wanted(original: Values, seed: Values) -> Values:
    """What the seed's settings must hold, by section; only those that the seed has.

    TLS, which 7.0 switches on by itself and 6.1 does not have, would change every public endpoint; it becomes what the
    original has, and off where the original has none. The image method is the one that 7.0 installs with. Name and
    time servers are the original's, whatever was set on the seed since it was cloned.
    """
    tls = original.get("public_ssl", {})
    found: Values = {
        "public_ssl": {"horizon": tls.get("horizon", False), "services": tls.get("services", False)},
        "provision": {"method": "image"},
        **surroundings(original),
    }
    return {
        section: {name: value for name, value in entries.items() if name in seed[section]}
        for section, entries in found.items()
        if section in seed
    }


def surroundings(original: Values) -> Values:
    """The name and time servers of the original, as far as its settings hold them."""
    return {
        section: {name: original[section][name] for name in names if name in original.get(section, {})}
        for section, names in SURROUNDINGS.items()
    }


def differences(have: Values, want: Values) -> Values:
    """What of WANT is not so in HAVE, with the value to be set."""
    found = {
        section: {name: value for name, value in entries.items() if have.get(section, {}).get(name) != value}
        for section, entries in want.items()
    }
    return {section: entries for section, entries in found.items() if entries}


def old_values(have: Values, changes: Values) -> Values:
    """What HAVE holds where CHANGES would set something."""
    return {
        section: {name: have[section][name] for name in entries if name in have.get(section, {})}
        for section, entries in changes.items()
    }


def as_editable(changes: Values) -> Editable:
    """CHANGES in the API's form; Nailgun merges it into what it has."""
    return {
        section: {name: {"value": value} for name, value in entries.items()} for section, entries in changes.items()
    }
