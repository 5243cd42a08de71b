"""A street can be deleted: outside its own folders few files name it, each for a reason written down here."""

from __future__ import annotations

import pytest

from tests.house.house import ROOT, imported, modules

STREETS = ("clustering", "accounts", "operations")

OWN = {
    "clustering": (
        "schemas/clustering/",
        "pipeline/clustering/",
        "topologies/clustering.py",
        "ingest_api/clustering/",
    ),
    "accounts": (
        "schemas/accounts/",
        "pipeline/accounts/",
        "pipeline/courier/",
        "topologies/accounts.py",
        "ingest_api/accounts/",
        "ingest_api/audit/",
    ),
    "operations": ("schemas/operations/", "topologies/vitals.py", "ingest_api/operations/"),
}
"""What goes with the street."""

JOINTS = ("schemas/domains.py", "ingest_api/domains.py")
"""Where every street is named, in a line or two."""

ALSO = {
    "clustering": {
        "pipeline/warehouse/archive/points.py": "its rows",
        "pipeline/warehouse/archive/streams.py": "its rows",
        "pipeline/warehouse/archive/drifts.py": "its rows",
        "pipeline/warehouse/reader.py": "the columns of points that a caller may ask for",
        "pipeline/warehouse/retention.py": "which tables keep how long",
        "pipeline/courier/triggers.py": "drift is told to webhooks",
        "pipeline/cli/": "`thalweg produce points` and `thalweg demo` speak of points",
    },
    "accounts": {
        "pipeline/warehouse/archive/audit.py": "its rows",
        "pipeline/cli/mail.py": "`thalweg mail` lists what was written to users",
        "pipeline/warehouse/retention.py": "which tables keep how long",
        "schemas/permissions.py": "roles are made of every domain's permissions",
        "ingest_api/settings.py": "keys that an operator gives by the environment",
    },
    "operations": {
        "ingest_api/vitality.py": "workers are alive while they report",
        "ingest_api/alarms.py": "what they report of forged records",
        "pipeline/courier/vitals.py": "the courier reports as well",
    },
}
"""Where it is named besides, and why."""


@pytest.mark.parametrize("street", STREETS)
def test_a_street_is_named_in_its_own_folders_and_at_the_joints_alone(street: str) -> None:
    allowed = (*OWN[street], *JOINTS, *ALSO[street])
    named = {
        str(path)
        for path in modules()
        if not str(path).startswith(allowed) and any(street in name.split(".") for name in imported(path))
    }
    assert named == set()


def naming_any(*streets: str) -> list[str]:
    return [str(path) for path in modules() if any(set(streets) & set(name.split(".")) for name in imported(path))]


@pytest.mark.parametrize("street", STREETS)
def test_what_is_allowed_is_also_needed(street: str) -> None:
    assert [place for place in OWN[street] if not (ROOT / place).exists()] == []
    naming = naming_any(street)
    assert [place for place in ALSO[street] if not any(it.startswith(place) for it in naming)] == []


def test_every_joint_names_a_street() -> None:
    naming = naming_any(*STREETS)
    assert [place for place in JOINTS if place not in naming] == []


def test_every_street_has_a_folder_of_records_and_is_in_the_lists_here() -> None:
    folders = {path.parent.name for path in (ROOT / "schemas").glob("*/topics.py")}
    assert folders == set(STREETS)
