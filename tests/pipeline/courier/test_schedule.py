"""A delivery is tried later and later for a day, and then no more."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.courier.schedule import (
    DELAYS,
    HOUR,
    JITTER,
    LIFETIME,
    MINUTE,
    SECOND,
    due_at,
    judged,
    next_attempt_at,
    retry_after_of,
)
from schemas.accounts.webhooks import TEST_EVENT, Attempt, Delivery, Progress

NOW = 1_764_000_000 * SECOND
FRESH = Delivery("msg_1", "w1", "drift.detected", None, NOW, Progress.PENDING, NOW, [], b"{}")

moments = st.integers(NOW, NOW + 2 * LIFETIME)
waits = st.none() | st.integers(0, 2 * LIFETIME)
ids = st.text(min_size=1, max_size=20)


@given(ids, st.integers(1, 100), moments, waits)
def test_a_next_attempt_is_later_than_the_last_and_within_the_lifetime(
    name: str, attempts: int, now: int, wait: int | None
) -> None:
    delivery = replace(FRESH, id=name)
    following = next_attempt_at(delivery, attempts, now, wait)
    if now >= NOW + LIFETIME:
        assert following is None
    else:
        assert following is not None
        assert now < following <= NOW + LIFETIME


@given(ids, st.integers(1, 100), moments)
def test_the_wait_is_the_schedules_with_a_spread_that_follows_from_the_id(name: str, attempts: int, now: int) -> None:
    delivery = replace(FRESH, id=name)
    following = next_attempt_at(delivery, attempts, now)
    assert following == next_attempt_at(delivery, attempts, now)
    if following is not None and following < NOW + LIFETIME:
        delay = DELAYS[min(attempts, len(DELAYS)) - 1]
        assert delay <= following - now <= delay * (1 + JITTER)


@given(ids, st.integers(1, 100), moments, st.integers(0, 2 * LIFETIME))
def test_a_receiver_is_not_asked_before_it_said(name: str, attempts: int, now: int, wait: int) -> None:
    following = next_attempt_at(replace(FRESH, id=name), attempts, now, wait)
    assert following is None or following >= min(now + wait, NOW + LIFETIME)


@given(ids, st.lists(st.sampled_from([None, 301, 404, 429, 500, 503]), min_size=60, max_size=60))
def test_a_delivery_that_never_succeeds_ends_after_a_day_and_its_webhook_is_disabled(
    name: str, statuses: list[int | None]
) -> None:
    delivery, disable = replace(FRESH, id=name), None
    for status in statuses:
        if delivery.progress is not Progress.PENDING:
            break
        error = "no answer" if status is None else None
        verdict = judged(delivery, Attempt(due_at(delivery), 10.0, status, error))
        delivery, disable = verdict.delivery, verdict.disable
    assert delivery.progress is Progress.FAILED
    assert delivery.next_attempt_at is None
    assert 10 <= len(delivery.attempts) <= 25
    assert delivery.attempts[-1].at >= NOW + LIFETIME
    assert disable is not None
    assert "24 hours" in disable


def test_the_last_attempt_comes_when_the_day_ends() -> None:
    assert next_attempt_at(FRESH, 15, NOW + LIFETIME - MINUTE) == NOW + LIFETIME
    assert next_attempt_at(FRESH, 16, NOW + LIFETIME) is None


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_status_of_success_delivers(status: int) -> None:
    verdict = judged(FRESH, Attempt(NOW, 5.0, status, None))
    assert (verdict.delivery.progress, verdict.disable) == (Progress.DELIVERED, None)
    assert verdict.delivery.next_attempt_at is None


@pytest.mark.parametrize("status", [100, 199, 300, 302, 307, 400, 401, 404, 500])
def test_any_other_status_is_tried_again(status: int) -> None:
    verdict = judged(FRESH, Attempt(NOW, 5.0, status, None))
    assert (verdict.delivery.progress, verdict.disable) == (Progress.PENDING, None)


def test_gone_ends_at_once() -> None:
    verdict = judged(FRESH, Attempt(NOW, 5.0, 410, None))
    assert verdict.delivery.progress is Progress.FAILED
    assert verdict.disable is not None


@pytest.mark.parametrize("status", [None, 410, 500])
def test_a_test_is_tried_once_and_disables_nothing(status: int | None) -> None:
    verdict = judged(replace(FRESH, event=TEST_EVENT), Attempt(NOW, 5.0, status, None))
    assert (verdict.delivery.progress, verdict.disable) == (Progress.FAILED, None)


def test_retry_after_is_seconds_or_a_date() -> None:
    date = format_datetime(datetime.fromtimestamp((NOW + HOUR) / SECOND, UTC), usegmt=True)
    assert retry_after_of("120", NOW) == 120 * SECOND
    assert retry_after_of(date, NOW) == HOUR
    assert retry_after_of(date, NOW + 2 * HOUR) == 0


@given(st.none() | st.text() | st.integers().map(str))
def test_whatever_stands_in_retry_after_the_wait_is_none_or_bounded(header: str | None) -> None:
    wait = retry_after_of(header, NOW)
    assert wait is None or 0 <= wait <= LIFETIME
