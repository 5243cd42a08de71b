"""Sealed texts and keyed hashes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.accounts.sealing import Seals, SealSettings, Unopenable
from pipeline.errors import Misconfigured

OLD, NEW = "o" * 32, "n" * 32


@given(st.text())
def test_what_is_sealed_can_be_opened_and_does_not_show(text: str) -> None:
    seals = Seals(SealSettings((OLD,)))
    sealed = seals.seal(text)
    assert seals.open(sealed) == text
    assert len(text) < 8 or text not in sealed


def test_a_new_secret_in_front_opens_and_recognises_what_the_old_one_made() -> None:
    old, both = Seals(SealSettings((OLD,))), Seals(SealSettings((NEW, OLD)))
    assert both.open(old.seal("seed")) == "seed"
    assert old.digest("key", "ncs_1") in both.digests("key", "ncs_1")
    assert both.digest("key", "ncs_1") != old.digest("key", "ncs_1")


def test_without_its_secret_nothing_opens() -> None:
    sealed = Seals(SealSettings((OLD,))).seal("seed")
    with pytest.raises(Unopenable):
        Seals(SealSettings((NEW,))).open(sealed)
    with pytest.raises(Unopenable):
        Seals(SealSettings((OLD,))).open(sealed[:-4] + "AAA=")


def test_digests_of_two_purposes_have_nothing_in_common() -> None:
    seals = Seals(SealSettings((OLD,)))
    assert seals.digest("key", "x") != seals.digest("refresh", "x")


@pytest.mark.parametrize("text", ["short", "k1:short", ":" + OLD, OLD])
def test_a_secret_that_cannot_be_used_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(Misconfigured, match="THALWEG_ACCOUNT_SECRETS") as refused:
        SealSettings.from_environment({"THALWEG_ACCOUNT_SECRETS": text})
    assert OLD not in str(refused.value)


def test_secrets_are_not_shown() -> None:
    assert OLD not in repr(SealSettings.from_environment({"THALWEG_ACCOUNT_SECRETS": f"k1:{OLD}"}))
