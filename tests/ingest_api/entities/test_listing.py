"""Pages out of a view are those of the whole list, sorted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest_api.entities.listing import MAX_DEPTH, page_of
from ingest_api.problems import Invalid
from schemas.accounts.webhooks import Webhook


def webhook(number: int) -> Webhook:
    return Webhook(f"w{number}", 1, 0, number, number, "u", "https://x.io/", [], "sealed")


@given(st.lists(st.integers(0, 99), unique=True), st.integers(1, 9), st.integers(1, 30), st.booleans())
def test_a_page_is_a_slice_of_what_was_filtered_and_sorted(
    numbers: list[int], size: int, number: int, descending: bool
) -> None:
    found = page_of(
        map(webhook, numbers),
        number=number,
        size=size,
        where=lambda it: it.created_at % 3 > 0,
        sort=lambda it: it.created_at,
        descending=descending,
    )
    whole = sorted((each for each in numbers if each % 3), reverse=descending)
    assert [it.created_at for it in found.entities] == whole[(number - 1) * size : number * size]
    assert (found.total, found.pages) == (len(whole), -(-len(whole) // size))


def test_nobody_pages_to_the_end_of_a_long_list() -> None:
    with pytest.raises(Invalid, match="validation"):
        page_of([], number=MAX_DEPTH + 1, size=1, where=lambda _: True, sort=lambda it: it.id)
