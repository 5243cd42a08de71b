"""What has ended is kept for a while, and what could be made anew by mistake is kept until it cannot."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from pipeline.courier.retention import KEPT, KEPT_AT_LEAST, KEPT_EACH, ended_at, forgettable
from schemas.accounts.webhooks import Attempt, Delivery, Progress

NOW = 1_764_000_000_000_000
PLACE = ("drift.detected.v1", 0)


def delivery(number: int, age: int, progress: Progress = Progress.DELIVERED, webhook: str = "w") -> Delivery:
    attempts = [Attempt(NOW - age, 1.0, 200, None)]
    source = f"{PLACE[0]}-{PLACE[1]}-{number}"
    return Delivery(f"{webhook}{number}", webhook, "drift.detected", source, NOW - age, progress, None, attempts, b"")


def test_what_ended_a_week_ago_is_forgotten() -> None:
    known = [delivery(1, KEPT), delivery(2, KEPT + 1), delivery(3, KEPT + 1, Progress.FAILED)]
    assert sorted(forgettable(known, NOW, {PLACE: 9})) == ["w2", "w3"]


def test_of_each_webhook_the_last_hundred_are_kept() -> None:
    known = [delivery(n, 2 * KEPT_AT_LEAST + n, webhook=hook) for hook in ("v", "w") for n in range(KEPT_EACH + 2)]
    assert sorted(forgettable(known, NOW, {PLACE: 999})) == ["v100", "v101", "w100", "w101"]


def test_what_has_only_just_ended_is_kept_however_many_there_are() -> None:
    assert forgettable([delivery(n, KEPT_AT_LEAST) for n in range(500)], NOW, {PLACE: 999}) == []


def test_what_would_be_read_again_is_still_known() -> None:
    known = [delivery(4, KEPT + 1), delivery(5, KEPT + 1), replace(delivery(6, KEPT + 1), source=None)]
    assert sorted(forgettable(known, NOW, {PLACE: 5})) == ["w4", "w6"]


@given(st.lists(st.tuples(st.integers(0, 2 * KEPT), st.sampled_from(Progress), st.sampled_from("vw")), max_size=300))
def test_what_is_pending_is_never_forgotten_and_nothing_newer_goes_before_it(
    told: list[tuple[int, Progress, str]],
) -> None:
    known = {it.id: it for it in (delivery(n, *each) for n, each in enumerate(told))}
    gone = set(forgettable(known.values(), NOW, {PLACE: len(told)}))
    for name in gone:
        assert known[name].progress is not Progress.PENDING
    for hook in "vw":
        ended = [it for it in known.values() if it.webhook == hook and it.progress is not Progress.PENDING]
        kept = [ended_at(it) for it in ended if it.id not in gone]
        assert max((ended_at(it) for it in ended if it.id in gone), default=0) <= min(kept, default=NOW)
        assert all(at >= NOW - KEPT for at in kept)


def test_of_a_webhook_that_is_no_more_nothing_is_kept_longer_than_a_moment() -> None:
    known = [delivery(n, KEPT_AT_LEAST + n, webhook=hook) for hook in ("gone", "w") for n in range(2)]
    assert forgettable(known, NOW, {PLACE: 9}, {"w"}) == ["gone1"]
