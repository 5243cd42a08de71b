"""One name, one mailbox, one password, one code, however each is written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.accounts import identity


@pytest.mark.parametrize("text", ["ada", "ADA", "Ada", "\uff21\uff44\uff41", "\uff41\uff24\uff21"])
def test_a_name_is_the_same_in_any_case_and_width(text: str) -> None:
    assert identity.username(text) == "ada"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ada@Example.COM", "ada@example.com"),
        ("zoe\u0308@example.com", "ZO\u00cb@example.com"),
        ("ada@m\u00fcnchen.de", "ada@xn--mnchen-3ya.de"),
        ("ada@mu\u0308nchen.de", "ada@M\u00dcNCHEN.de"),
        ("ada@\uff45xample\u3002com", "ada@example.com"),
        (" ada@example.com ", "ada@example.com"),
    ],
)
def test_a_mailbox_is_one_however_its_address_is_written(one: str, other: str) -> None:
    assert identity.same_mailbox(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("ada@example.com", "ada@example.org"), ("a.da@example.com", "ada@example.com"), ("ada@x", None), (None, None)],
)
def test_other_mailboxes_are_others(one: str | None, other: str | None) -> None:
    assert not identity.same_mailbox(one, other)


@given(st.text(max_size=80))
def test_any_text_has_one_form_as_a_password(text: str) -> None:
    assert identity.password(identity.password(text)) == identity.password(text)


@given(st.text(max_size=80))
def test_no_text_is_too_odd_to_be_compared(text: str) -> None:
    assert identity.username(text) == identity.username(text.swapcase().swapcase()) or not text.isascii()
    assert identity.same_mailbox(f"{text}@example.com", f"{text}@EXAMPLE.com")
    assert identity.same_mailbox(f"ada@{text}", f"ADA@{text}")
    assert not {" ", "-"} & set(identity.code(text))


def test_a_password_is_composed_and_its_spaces_are_spaces_and_nothing_else_is_changed() -> None:
    assert identity.password("cafe\u0301\u00a0na\u0131ve\u3000Stra\u00dfe") == "caf\u00e9 na\u0131ve Stra\u00dfe"
    assert identity.password("\uff21dA") == "\uff21dA", "case and width count (RFC 8265, 4.2)"


@pytest.mark.parametrize(
    "text", ["a\tb", "a\0b", "zero\u200bwidth", "turned\u202eround", "\ue000private", "soft\u00adhyphen"]
)
def test_what_nobody_can_type_twice_is_told_from_what_one_can(text: str) -> None:
    assert not identity.is_typeable(text)
    assert identity.is_typeable("nine purple otters \u00e9\u4e2d\U0001f468\u200d\U0001f469 \u0646\u200c\u0647")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("492 039", "492039"),
        ("492-039", "492039"),
        (" 492\u00a0039\u2009", "492039"),
        ("\uff14\uff19\uff12\uff10\uff13\uff19", "492039"),
        ("\u0664\u0669\u0662\u0660\u0663\u0669", "492039"),
        ("ABCD-efgh\u20132345", "abcdefgh2345"),
    ],
)
def test_a_code_is_taken_as_people_type_it(typed: str, meant: str) -> None:
    assert identity.code(typed) == meant


def test_a_domain_is_mailed_to_as_dns_has_it_where_any_server_takes_that() -> None:
    assert identity.deliverable("Ada@m\u00fcnchen.de") == "Ada@xn--mnchen-3ya.de"
    assert identity.deliverable("zo\u00eb@m\u00fcnchen.de") == "zo\u00eb@m\u00fcnchen.de", "needs SMTPUTF8 as it is"
    assert identity.deliverable("ada@Example.com") == "ada@example.com"
