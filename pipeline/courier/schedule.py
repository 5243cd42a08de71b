"""When a delivery is tried again, and when no more. Pure: what follows an attempt follows from the record alone."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import Enum, auto

from schemas.accounts.webhooks import TEST_EVENT, Attempt, Delivery, Progress

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DELAYS = (5 * SECOND, 30 * SECOND, 2 * MINUTE, 10 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR)
"""Microseconds after the first attempt, the second and so on; after all others as after the last."""
LIFETIME = 24 * HOUR
"""From a delivery's creation to its last attempt."""
JITTER = 0.2
GRACE = MINUTE
"""A delivery whose webhook is not there may be ahead of it: they are in two topics."""
GONE = 410


class Standing(Enum):
    """Whether a webhook is told anything. Deliveries of one that is turned off are held: turned on again within their
    lifetime, it gets them."""

    OPEN = auto()
    HELD = auto()
    UNKNOWN = auto()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an attempt has made of a delivery. `disable` says why its webhook is to be disabled, if it is."""

    delivery: Delivery
    disable: str | None = None


def judged(delivery: Delivery, attempt: Attempt, retry_after: int | None = None) -> Verdict:
    """The delivery with the attempt. `retry_after` are the microseconds that the receiver asked us to wait.

    Any status from 200 to 299 is success; 410 Gone says that nothing is wanted any more. A test is tried once: whoever
    asked for it is waiting, and it is no reason to disable anything.
    """
    tried = replace(delivery, attempts=[*delivery.attempts, attempt], next_attempt_at=None)
    if attempt.status is not None and 200 <= attempt.status < 300:
        return Verdict(replace(tried, progress=Progress.DELIVERED))
    failed = replace(tried, progress=Progress.FAILED)
    if delivery.event == TEST_EVENT:
        return Verdict(failed)
    if attempt.status == GONE:
        return Verdict(failed, "the receiver answered 410 Gone: it wants no more")
    ended_at = attempt.at + int(attempt.milliseconds * 1000)
    following = next_attempt_at(delivery, len(tried.attempts), ended_at, retry_after)
    if following is None:
        return Verdict(failed, f"a delivery failed for {LIFETIME // HOUR} hours: {told(attempt)}")
    return Verdict(replace(tried, next_attempt_at=following))


def next_attempt_at(delivery: Delivery, attempts: int, now: int, retry_after: int | None = None) -> int | None:
    """When to try again after so many attempts, the last at `now`; None when that was the last. The very last is due
    when the lifetime ends."""
    last = delivery.created_at + LIFETIME
    if now >= last:
        return None
    delay = DELAYS[min(max(attempts, 1), len(DELAYS)) - 1]
    spread = int(delay * JITTER * _fraction(delivery.id, attempts))
    return min(max(now + delay + spread, now + (retry_after or 0)), last)


def due_at(delivery: Delivery, standing: Standing = Standing.OPEN) -> int:
    """When something is to be done about a pending delivery: it is tried, or, of a webhook that is not open, ended."""
    if standing is Standing.OPEN:
        return delivery.created_at if delivery.next_attempt_at is None else delivery.next_attempt_at
    return delivery.created_at + (LIFETIME if standing is Standing.HELD else GRACE)


def ended(delivery: Delivery, now: int, why: str) -> Delivery:
    """The delivery failed for good without another try; the log of its attempts says why."""
    note = Attempt(now, 0.0, None, why)
    return replace(delivery, progress=Progress.FAILED, next_attempt_at=None, attempts=[*delivery.attempts, note])


def told(attempt: Attempt) -> str:
    """How an attempt failed."""
    return attempt.error or f"the receiver answered {attempt.status}"


def retry_after_of(header: str | None, now: int) -> int | None:
    """The microseconds that a Retry-After header (RFC 9110, 10.2.3: seconds, or a date) asks to wait; None where it
    says nothing that can be used."""
    text = (header or "").strip()
    if text.isascii() and text.isdigit():
        return min(int(text[:12]) * SECOND, LIFETIME)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return min(max(int(moment.timestamp() * SECOND) - now, 0), LIFETIME)


def _fraction(message_id: str, attempts: int) -> float:
    """From 0 to 1, always the same of the same attempt: receivers that failed together are not tried together."""
    digest = hashlib.sha256(f"{message_id}/{attempts}".encode()).digest()
    return int.from_bytes(digest[:4], "big") / (2**32 - 1)
