"""What the document of accounts says: its tables, its numbers, and that its tour leaves no endpoint out."""

from __future__ import annotations

import re

import pytest

from ingest_api.accounts import api_keys, factor, forms, logins, policy, throttle
from ingest_api.domains import LIMITS
from ingest_api.families import DASHBOARD
from ingest_api.limits import BURST_SECONDS, OTHERS_PER_MINUTE
from ingest_api.settings import ApiSettings
from pipeline.accounts.access import MAX_SESSIONS
from pipeline.accounts.keys import MAX_KEYS
from pipeline.accounts.tokens import HOUR, LIFETIMES
from pipeline.accounts.webhooks import MAX_WEBHOOKS
from schemas.accounts.users import Purpose
from schemas.permissions import PERMISSIONS, ROLES
from tests.docs.documents import ROOT, blocks, rows, spans, text_of
from tests.docs.test_documents import ENDPOINT, served

TEXT = text_of(ROOT / "docs" / "accounts.md")
API = text_of(ROOT / "docs" / "api.md")
TOUR = "".join(block for text in (text_of(ROOT / "README.md"), TEXT) for info, block in blocks(text) if info == "sh")
VARIABLES = {"NUMBER": "1", "BOB": "b", "HOOK": "/api/webhooks/w", "OTHER": "o", "SPARE": "s", "KEY_ID": "k"}
"""What stands in an address of the tour, or for all of it."""


def asked() -> set[tuple[str, str]]:
    """(method, address) of each curl of the tour."""
    found = set()
    for words in re.findall(r"\bcurl ([^\n|;]*)", TOUR.replace("\\\n", " ")):
        address = re.search(r"\$(?:API(/[^\s\"?]*)|HOOK([^\s\"?]*))", words)
        if address is None:
            continue
        path = address[1] or f"$HOOK{address[2]}"
        for name, value in VARIABLES.items():
            path = path.replace(f"${name}", value)
        method = re.search(r"-X ([A-Z]+)", words)
        writes = re.search(r"\s(-d|--data-urlencode)\s", words)
        found.add((method[1] if method else "POST" if writes else "GET", path))
    return found


STREET = ("/auth/", "/api/auth/", "/api/users", "/api/admin/", "/api/webhooks")


def street() -> set[tuple[str, str]]:
    return {(method, route) for method, route in served() if route.startswith(STREET)}


PAGES = {("GET", "/api/auth/verify-email"), ("GET", "/api/auth/reset-password")}
"""For people: they follow the link of a mail."""


@pytest.mark.parametrize(("method", "route"), sorted(street() - PAGES), ids=" ".join)
def test_the_tour_asks_every_endpoint(method: str, route: str) -> None:
    pattern = re.sub(r"\{[^}]+\}", "[^/]+", route)
    assert any(verb == method and re.fullmatch(pattern, path) for verb, path in asked())


def test_the_tour_asks_nothing_that_is_not_served() -> None:
    for method, path in asked():
        fitting = [route for verb, route in served() if verb == method
                   and re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", route), path)]  # fmt: skip
        assert fitting or "$" in path, (method, path)


def test_the_roles_are_those_there_are_with_their_permissions() -> None:
    table = [cells for cells in rows(TEXT) if len(cells) > 5]
    [head, *lines] = [cells for cells in table if set(cells[0]) != {"-"}]
    told: dict[str, set[str]] = {role: set() for cell in head[1:] for role in spans(cell)}
    for cells in lines:
        for cell, mark in zip(head[1:], cells[1:], strict=True):
            for role in spans(cell) if mark == "✓" else ():
                told[role] |= set(spans(cells[0]))
    assert told == {role: set(permissions) for role, permissions in ROLES.items()}
    assert {permission for cells in lines for permission in spans(cells[0])} == PERMISSIONS


@pytest.mark.parametrize("text", [TEXT, API], ids=["accounts", "api"])
def test_the_limits_are_those_that_hold(text: str) -> None:
    told, families = set(), set()
    for cells in rows(text):
        if len(cells) != 3 or not re.fullmatch(r"[0-9,]+", cells[1]):
            continue
        minute, hour = (int(cell.replace(",", "")) if cell else None for cell in cells[1:])
        if cells[0].startswith("any other"):
            assert (minute, hour) == (OTHERS_PER_MINUTE, None)
        if cells[0].startswith("all others"):
            family = LIMITS.by_family[spans(cells[0])[0]]
            assert (minute, hour) == (family.per_minute, family.per_hour)
            assert (family.burst is None) or f"{family.burst} of them in {BURST_SECONDS} seconds" in cells[0]
            families.add(spans(cells[0])[0])
        for _, path in (found.groups() for span in spans(cells[0]) if (found := ENDPOINT.match(span))):
            assert (LIMITS.of(path).per_minute, LIMITS.of(path).per_hour) == (minute, hour), path
            told.add(path)
    assert families == LIMITS.by_family.keys() - ({DASHBOARD.name} if text is TEXT else set())
    wanted = (
        {path for path in LIMITS.by_path if "auth" in path} if text is TEXT else set(LIMITS.by_path) - {"/api/tasks"}
    )
    assert told == wanted


def test_the_throttles_of_failures_are_those_that_hold() -> None:
    told = dict(cells for cells in rows(TEXT) if len(cells) == 2 and cells[0].startswith(("from one", "from all")))
    assert [int(number) for number in told.values()] == [throttle.PER_ADDRESS.amount, throttle.FROM_STRANGERS.amount]
    assert f"in {throttle.WINDOW_MINUTES} minutes" in TEXT
    codes = next(cells for cells in rows(TEXT) if cells[0] == "from anywhere")
    assert (int(codes[1]), throttle.CODES.get_expiry()) == (throttle.CODES.amount, 3600)
    assert throttle.CODES_TOLD == 3


def test_credentials_hold_as_long_as_is_told() -> None:
    hour, days = 3600, forms.NewKey.model_fields["expires_in_days"]
    held = {cells[0]: cells[2] for cells in rows(TEXT) if len(cells) == 4}
    assert held["access token"].startswith(f"{ApiSettings.token_ttl:,} s")
    assert held["session"].startswith(f"{logins.SESSION_SECONDS // hour} hours")
    assert f"{logins.REMEMBERED_SECONDS // (24 * hour)} days" in held["session"]
    assert held["ticket"].startswith(f"{logins.TICKET_SECONDS} s")
    assert held["API key of a user"] == f"{days.default} days unless told, at most 365"
    assert [each.le for each in days.metadata if hasattr(each, "le")] == [365]
    assert held["token to verify an address"].startswith(f"{LIFETIMES[Purpose.VERIFY_EMAIL] // HOUR} hours")
    assert held["token to set a password"].startswith(f"{LIFETIMES[Purpose.RESET_PASSWORD] // HOUR} hour")


def test_the_bounds_are_those_that_hold() -> None:
    assert f"At most {MAX_SESSIONS} sessions, {MAX_KEYS} keys and {MAX_WEBHOOKS} webhooks" in TEXT
    assert f"{policy.MIN_PASSWORD} to {policy.MAX_PASSWORD} characters" in TEXT
    assert f"one of {factor.BACKUP_CODES} backup codes" in TEXT
    assert f"{factor.STEP_SECONDS} s)" in TEXT
    assert (1, len("ncs_") + 8) == (factor.WINDOW, api_keys.VISIBLE)


def test_the_words_that_are_guessed_early_are_those_that_are_told() -> None:
    assert ", ".join(policy.CONTEXT) in " ".join(TEXT.split())
