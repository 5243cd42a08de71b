"""A full queue of one owner is that owner's."""

from __future__ import annotations

from collections import Counter

from pipeline.courier.quota import Quota
from pipeline.courier.settings import CourierSettings

SETTINGS = CourierSettings(pending=20, pending_each=5, pending_owner=10, pending_assured=2)


def quota(in_all: int = 0, **of_owner: int) -> Quota:
    return Quota(SETTINGS, in_all, lambda _: 0, lambda owner: of_owner.get(owner, 0))


def test_a_webhook_and_an_owner_have_so_many() -> None:
    of_mallory = quota()
    told = Counter((hook, of_mallory.admit(hook, "mallory")) for _ in range(9) for hook in ("one", "two", "three"))
    assert sum(count for (_, admitted), count in told.items() if admitted) == SETTINGS.pending_owner
    assert of_mallory.admit("hers", "ada")


def test_what_waits_already_counts() -> None:
    assert not quota(10, mallory=10).admit("one", "mallory")
    assert quota(10, mallory=9).admit("one", "mallory")


def test_when_all_places_are_taken_everybody_still_has_their_own_few() -> None:
    full = quota(SETTINGS.pending, mallory=10)
    assert not full.admit("one", "mallory")
    assert [full.admit("hers", "ada") for _ in range(3)] == [True, True, False]
