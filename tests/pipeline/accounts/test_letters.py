"""Each letter says what is to be done, and also what is to be done by someone whom it does not concern."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.accounts import letters
from pipeline.accounts.envelope import Letter, message
from pipeline.accounts.sealing import Seals, SealSettings
from schemas.accounts.traces import MailRequested
from schemas.accounts.users import Purpose

SEALS = Seals(SealSettings.passing())
BASE = "https://thalweg.example/base"
NOW, LATER = 1_763_800_000_000_000, 1_763_886_400_000_000
TOKEN = "tok/en+=&?"
TO = ("u-1", "ada@example.org")

ASKING: dict[str, Callable[[str], MailRequested]] = {
    "verify-email": lambda name: letters.verify_email(SEALS, *TO, name, TOKEN, BASE, NOW, LATER),
    "reset-password": lambda name: letters.reset_password(SEALS, *TO, name, TOKEN, BASE, NOW, LATER),
}
TELLING: dict[str, Callable[[str], MailRequested]] = {
    "password": lambda name: letters.password_changed(SEALS, *TO, name, BASE, NOW),
    "address": lambda name: letters.address_changed(SEALS, *TO, name, BASE, NOW),
    "factor-on": lambda name: letters.second_factor_changed(SEALS, *TO, name, True, BASE, NOW),
    "factor-off": lambda name: letters.second_factor_changed(SEALS, *TO, name, False, BASE, NOW),
    "guessed": lambda name: letters.second_factor_guessed(SEALS, *TO, name, "192.0.2.7", BASE, NOW),
    "reuse": lambda name: letters.refresh_reused(SEALS, *TO, name, BASE, NOW),
    "webhook": lambda name: letters.webhook_disabled(SEALS, *TO, f"https://{name}.example/hook", name, NOW),
}
EVERY = ASKING | TELLING


def opened(mail: MailRequested) -> Letter:
    return Letter.opened(SEALS, mail.sealed)


@pytest.mark.parametrize("route", ASKING)
def test_a_token_is_there_as_a_link_and_bare(route: str) -> None:
    mail = ASKING[route]("Ada")
    lines = opened(mail).text.splitlines()
    [link] = [line for line in lines if line.startswith("https://")]
    assert link.startswith(f"{BASE}/api/auth/{route}?")
    assert parse_qs(urlsplit(link).query) == {"token": [TOKEN]}
    assert TOKEN in lines
    assert "2025-11-23 08:26 UTC" in opened(mail).text
    assert (mail.requested_at, mail.expires_at) == (NOW, LATER)


@pytest.mark.parametrize("which", TELLING)
def test_a_notice_says_when_it_was_and_grows_old(which: str) -> None:
    mail = TELLING[which]("Ada")
    assert "2025-11-22 08:26 UTC" in opened(mail).text
    assert mail.expires_at == NOW + letters.NEWS.total_seconds() * 1e6


@pytest.mark.parametrize("which", EVERY)
def test_a_letter_goes_to_whom_it_is_for_and_outside_its_seal_nobody_reads_it(which: str) -> None:
    mail = EVERY[which]("Ada")
    assert (mail.user, mail.recipient) == TO
    assert TOKEN not in repr(mail)
    assert "Ada" not in mail.sealed
    assert max(map(len, opened(mail).text.splitlines())) <= 160


@pytest.mark.parametrize("which", [*ASKING, "password", "factor-on", "factor-off", "reuse"])
def test_a_letter_says_what_to_do_if_it_was_not_the_reader(which: str) -> None:
    text = opened(EVERY[which]("Ada")).text
    assert any(words in text for words in ("If it was not you", "If you did not", "If no program of yours"))


def test_the_purposes_of_tokens_are_those_of_their_letters() -> None:
    assert {str(purpose) for purpose in Purpose} <= {str(purpose) for purpose in letters.MailPurpose}
    assert len({EVERY[which]("Ada").purpose for which in EVERY}) == len(letters.MailPurpose)


@given(name=st.text(), which=st.sampled_from(sorted(EVERY)))
def test_a_name_cannot_write_lines_of_a_letter(name: str, which: str) -> None:
    plain, tried = opened(EVERY[which]("Ada")), opened(EVERY[which](name))
    assert len(tried.text.splitlines()) == len(plain.text.splitlines())
    assert tried.subject == plain.subject
    message(tried, "thalweg@example.com", "ada@example.org", "id", NOW)
