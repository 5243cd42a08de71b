"""Access tokens: only what was issued here, for here, and not too long ago."""

from __future__ import annotations

from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest_api.accounts.tokens import LEEWAY, Tokens, Use
from ingest_api.problems import Unauthenticated
from pipeline.clock import now

OLD, NEW = "o" * 32, "n" * 32
SECOND = 1_000_000


def tokens(keys: dict[str, str] | None = None, late: int = 0, **settings: Any) -> Tokens:
    """Tokens as issued `late` seconds ago."""
    return Tokens(keys or {"k1": OLD}, lambda: now() - late * SECOND, **settings)


def claims(**changed: Any) -> dict[str, Any]:
    issued = now() // SECOND
    whole = {
        "iss": "thalweg",
        "aud": "thalweg-api",
        "sub": "user:admin",
        "scope": "read",
        "iat": issued,
        "exp": issued + 60,
        "jti": "1",
    } | changed
    return {name: value for name, value in whole.items() if value is not None}


def test_what_is_issued_is_read() -> None:
    read = tokens().read(tokens().issue("user:admin", ("read", "write")))
    assert (read.subject, read.scopes) == ("user:admin", ("read", "write"))


def test_two_tokens_have_two_ids() -> None:
    one, other = (tokens().read(tokens().issue("user:admin", ())) for _ in range(2))
    assert one.token_id != other.token_id


def test_a_token_holds_for_its_life_and_the_leeway() -> None:
    assert tokens().read(tokens(late=1800 + LEEWAY // 2).issue("user:admin", ()))
    with pytest.raises(Unauthenticated, match="expired"):
        tokens().read(tokens(late=1800 + 2 * LEEWAY).issue("user:admin", ()))


def test_a_new_key_signs_and_the_old_one_is_still_read() -> None:
    before, during, after = tokens({"k1": OLD}), tokens({"k2": NEW, "k1": OLD}), tokens({"k2": NEW})
    assert during.read(before.issue("user:admin", ()))
    assert jwt.get_unverified_header(during.issue("user:admin", ()))["kid"] == "k2"
    assert after.read(during.issue("user:admin", ()))
    with pytest.raises(Unauthenticated):
        after.read(before.issue("user:admin", ()))


@pytest.mark.parametrize("missing", ["iss", "aud", "sub", "exp", "iat", "jti", "scope"])
def test_a_token_must_say_everything(missing: str) -> None:
    token = jwt.encode(claims(**{missing: None}), OLD, "HS256", headers={"kid": "k1", "typ": Use.ACCESS})
    with pytest.raises(Unauthenticated):
        tokens().read(token)


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "other"},
        {"aud": "other"},
        {"exp": 0},
        {"exp": "never"},
        {"iat": now() // SECOND + 3600},
        {"nbf": now() // SECOND + 3600},
        {"sub": 1},
    ],
)
def test_a_token_for_another_place_or_time_is_refused(changed: dict[str, Any]) -> None:
    token = jwt.encode(claims(**changed), OLD, "HS256", headers={"kid": "k1", "typ": Use.ACCESS})
    with pytest.raises(Unauthenticated):
        tokens().read(token)


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
def test_an_algorithm_that_is_not_listed_is_refused(algorithm: str) -> None:
    token = jwt.encode(claims(), OLD, algorithm, headers={"kid": "k1", "typ": Use.ACCESS})
    with pytest.raises(Unauthenticated):
        tokens().read(token)


def test_a_token_that_nobody_signed_is_refused() -> None:
    token = jwt.encode(claims(), "", "none", headers={"kid": "k1", "typ": Use.ACCESS})
    with pytest.raises(Unauthenticated):
        tokens().read(token)


@pytest.mark.parametrize("header", [{}, {"kid": "k9"}, {"kid": ""}])
def test_a_token_of_an_unknown_key_is_refused(header: dict[str, str]) -> None:
    with pytest.raises(Unauthenticated):
        tokens().read(jwt.encode(claims(), OLD, "HS256", headers=header | {"typ": Use.ACCESS}))


@given(st.text() | st.from_regex(r"[A-Za-z0-9_=-]*\.[A-Za-z0-9_=-]*\.[A-Za-z0-9_=-]*", fullmatch=True))
def test_any_text_is_refused_in_the_same_words(text: str) -> None:
    with pytest.raises(Unauthenticated, match="The token is not valid"):
        tokens().read(text)


@pytest.mark.parametrize("made", Use)
@pytest.mark.parametrize("read", Use)
def test_a_token_for_one_use_is_none_for_another(made: Use, read: Use) -> None:
    token = tokens().issue("user:admin", (), use=made)
    if made is read:
        assert tokens().read(token, read)
        return
    with pytest.raises(Unauthenticated):
        tokens().read(token, read)
