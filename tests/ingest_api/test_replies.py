"""Replies find their inquiries; what is kept is bounded, and open inquiries are the last to go."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from ingest_api.inquiry import Inquiry
from ingest_api.replies import KEEP_MICROSECONDS, Replies
from pipeline.errors import Overloaded
from pipeline.forgeries import Forgeries
from pipeline.kafka.guard import Guard
from pipeline.kafka.record import Record
from pipeline.settings import KafkaSettings
from pipeline.signatures import Signatures
from schemas.codec import Codec
from schemas.exchange import REPLIES, SIGNATURE_HEADER, Replied

CODEC = Codec()


@dataclass
class Clock:
    now: int = 0

    def __call__(self) -> int:
        return self.now


def replies_with(clock: Clock, *, most: int = 4, most_bytes: int = 1000) -> Replies:
    return Replies(KafkaSettings(), 9, CODEC, clock, most=most, most_bytes=most_bytes)


def opened(replies: Replies, name: str, *, clock: Clock, weight: int = 1, parts: int = 1) -> Inquiry:
    inquiry = Inquiry(name, "key:me", clock.now, None, weight, [None] * parts)
    replies.open(inquiry)
    return inquiry


async def test_a_reply_that_no_worker_signed_answers_nobody() -> None:
    """Who reads the log knows the ids of requests, and could say that a login was right."""
    clock, forgeries, ours = Clock(), Forgeries(), Signatures({"k1": b"a" * 32})
    replies = Replies(KafkaSettings(), 9, CODEC, clock, Guard(ours, forgeries))
    inquiry = opened(replies, "req_a", clock=clock)
    value = CODEC.encode(Replied("req_a", 0, "accounts.commanded.v1", 0, 7, None, None, b""))
    signature = ours.sign(REPLIES.name, b"req_a", value, {})
    replies.take([Record(REPLIES.name, 1, 0, 0, b"req_a", value)])
    assert (inquiry.answered.done(), forgeries.count) == (False, 1)
    replies.take([Record(REPLIES.name, 1, 1, 0, b"req_a", value, {SIGNATURE_HEADER: signature})])
    assert (inquiry.answered.done(), forgeries.count) == (True, 1)


def answer(replies: Replies, name: str, part: int = 0) -> None:
    value = CODEC.encode(Replied(name, part, "points.observed.v1", 0, 7, None, None, b""))
    replies.take([Record(REPLIES.name, 1, 0, 0, name.encode(), value)])


async def test_a_reply_finds_its_inquiry_and_those_of_other_processes_are_passed_over() -> None:
    clock = Clock()
    replies = replies_with(clock)
    told: list[tuple[str, int]] = []
    replies.watch(lambda inquiry, reply: told.append((inquiry.request_id, reply.part)))
    inquiry = opened(replies, "req_a", clock=clock, parts=2)
    answer(replies, "req_of_another")
    answer(replies, "req_a", 1)
    assert not inquiry.answered.done()
    answer(replies, "req_a", 0)
    assert inquiry.answered.done()
    assert told == [("req_a", 1), ("req_a", 0)]


async def test_watchers_hear_of_a_reply_before_the_inquiry_does() -> None:
    clock = Clock()
    replies = replies_with(clock)
    inquiry = opened(replies, "req_a", clock=clock)
    before: list[bool] = []
    replies.watch(lambda held, _: before.append(held.answered.done()))
    answer(replies, "req_a")
    assert before == [False]
    assert inquiry.answered.done()


async def test_a_reply_that_comes_late_or_twice_changes_nothing() -> None:
    clock = Clock()
    replies = replies_with(clock)
    inquiry = opened(replies, "req_a", clock=clock)
    answer(replies, "req_a")
    first = inquiry.replies[0]
    answer(replies, "req_a")
    assert inquiry.replies[0] is first
    assert replies.find("req_a") is inquiry


async def test_what_is_no_reply_is_passed_over() -> None:
    clock = Clock()
    replies = replies_with(clock)
    inquiry = opened(replies, "req_a", clock=clock)
    for value in (None, b"", b"nonsense", b"\0\0\0\0\1junk"):
        replies.take([Record(REPLIES.name, 1, 0, 0, None, value)])
    answer(replies, "req_a")
    assert inquiry.answered.done()


async def test_answered_ones_make_room_for_new_ones_even_behind_an_open_one() -> None:
    clock = Clock()
    replies = replies_with(clock)
    opened(replies, "open", clock=clock)
    for name in ("a", "b", "c"):
        opened(replies, name, clock=clock)
        answer(replies, name)
    opened(replies, "d", clock=clock)
    assert replies.find("a") is None
    assert all(replies.find(name) for name in ("open", "b", "c", "d"))


async def test_one_too_many_open_ones_is_turned_away() -> None:
    clock = Clock()
    replies = replies_with(clock)
    for name in "abcd":
        opened(replies, name, clock=clock)
    with pytest.raises(Overloaded):
        opened(replies, "e", clock=clock)
    answer(replies, "c")
    opened(replies, "e", clock=clock)
    assert replies.find("c") is None


async def test_too_many_bytes_are_too_many_as_well() -> None:
    clock = Clock()
    replies = replies_with(clock, most=100)
    opened(replies, "large", clock=clock, weight=900)
    with pytest.raises(Overloaded):
        opened(replies, "more", clock=clock, weight=101)
    answer(replies, "large")
    opened(replies, "more", clock=clock, weight=101)
    assert replies.find("large") is None


async def test_after_a_quarter_of_an_hour_all_are_forgotten() -> None:
    clock = Clock()
    replies = replies_with(clock)
    for name in "abcd":
        opened(replies, name, clock=clock)
    answer(replies, "b")
    clock.now = KEEP_MICROSECONDS
    opened(replies, "e", clock=clock)
    assert [name for name in "abcde" if replies.find(name)] == ["e"]
    answer(replies, "a")  # as late as can be


async def test_what_was_never_sent_takes_no_room() -> None:
    clock = Clock()
    replies = replies_with(clock, most=1)
    inquiry = opened(replies, "a", clock=clock, weight=1000)
    replies.discard(inquiry)
    replies.discard(inquiry)
    opened(replies, "b", clock=clock, weight=1000)


def test_processes_beyond_the_number_of_partitions_share_them() -> None:
    assert Replies(KafkaSettings(), REPLIES.partitions + 3, CODEC, Clock()).partition == 3
