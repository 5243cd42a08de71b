"""An inquiry: answered by all its replies once, whatever order, repeats and failures they come in."""

from __future__ import annotations

import asyncio
import random

import pytest

from ingest_api.inquiry import Inquiry, new_request_id, parts_of
from pipeline.errors import LogUnavailable
from schemas.exchange import Replied
from schemas.position import Position


def inquiry_of(parts: int) -> Inquiry:
    inquiry = Inquiry("req_1", "key:me", 0, None, 1, [None] * parts)
    loop = asyncio.get_running_loop()
    inquiry.sent = [loop.create_future() for _ in range(parts)]
    return inquiry


def reply(part: int, reason: str | None = None) -> Replied:
    return Replied("req_1", part, "points", 0, 100 + part, reason, reason, None)


async def test_it_is_complete_when_every_part_is_answered_in_any_order() -> None:
    inquiry = inquiry_of(20)
    parts = list(range(20)) * 2
    random.Random(1).shuffle(parts)
    waiting = asyncio.create_task(inquiry.complete(10))
    for part in parts:
        assert not inquiry.answered.done() or None not in inquiry.replies
        inquiry.take(reply(part))
    assert [each.part for each in await waiting] == list(range(20))


async def test_a_repeated_reply_changes_nothing() -> None:
    inquiry = inquiry_of(1)
    inquiry.take(reply(0))
    inquiry.take(reply(0, "too_late"))
    assert inquiry.refusal is None


@pytest.mark.parametrize("part", [-1, 1, 999])
async def test_a_reply_to_no_part_of_it_is_passed_over(part: int) -> None:
    inquiry = inquiry_of(1)
    inquiry.take(reply(part))
    assert not inquiry.answered.done()


async def test_no_answer_in_time_is_a_timeout_after_which_the_answer_still_counts() -> None:
    inquiry = inquiry_of(2)
    inquiry.sent[0].set_result(Position("points", 0, 100))
    with pytest.raises(TimeoutError):
        await inquiry.complete(0.01)
    assert [str(each) for each in inquiry.positions] == ["points-0-100"]
    inquiry.take(reply(1))
    assert [each.offset for each in inquiry.positions] == [100, 101]
    inquiry.take(reply(0))
    assert len(await inquiry.complete(0)) == 2


async def test_many_may_wait_and_none_of_them_takes_it_from_the_others() -> None:
    inquiry = inquiry_of(1)
    waits = [asyncio.create_task(inquiry.complete(10)) for _ in range(3)]
    accepted = asyncio.create_task(inquiry.accepted())
    await asyncio.sleep(0)
    waits[0].cancel()
    accepted.cancel()
    await asyncio.gather(waits[0], accepted, return_exceptions=True)
    assert not inquiry.sent[0].cancelled()
    inquiry.take(reply(0))
    assert await waits[1] == await waits[2]


async def test_a_record_the_log_did_not_take_ends_the_wait_at_once() -> None:
    inquiry = inquiry_of(2)
    waiting = asyncio.create_task(inquiry.complete(10))
    await asyncio.sleep(0)
    inquiry.sent[1].set_exception(LogUnavailable("no broker"))
    with pytest.raises(LogUnavailable):
        await waiting
    unconfirmed = [inquiry.unconfirmed]
    inquiry.take(reply(1))  # a worker has read it, so it is in the log
    unconfirmed.append(inquiry.unconfirmed)
    assert unconfirmed == [True, False]


async def test_all_positions_are_known_once_it_is_accepted() -> None:
    inquiry = inquiry_of(2)
    waiting = asyncio.create_task(inquiry.accepted())
    for part, future in enumerate(inquiry.sent):
        future.set_result(Position("points", 0, part))
    assert await waiting == inquiry.positions


async def test_a_refusal_of_any_part_is_found() -> None:
    inquiry = inquiry_of(3)
    found = []
    for part, reason in ((2, None), (0, None), (1, "dimension_mismatch")):
        inquiry.take(reply(part, reason))
        found.append(inquiry.refusal)
    assert found == [None, None, inquiry.replies[1]]


def test_an_id_tells_of_how_many_records_its_request_is_made() -> None:
    assert [parts_of(new_request_id(parts)) for parts in (1, 2, 250)] == [1, 2, 250]
    assert len({new_request_id(1) for _ in range(1000)}) == 1000


@pytest.mark.parametrize(
    "text", ["", "req_", "req_" + "g" * 24, "req_" + "0" * 24 + "-0", "x" * 1000, "req_" + "0" * 25]
)
def test_what_was_never_given_out_is_no_id(text: str) -> None:
    assert parts_of(text) is None
