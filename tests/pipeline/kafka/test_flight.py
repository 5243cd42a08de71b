"""Waiting for many records at once: every report counts, from whatever thread, and nobody waits in vain."""

from __future__ import annotations

import asyncio
import threading
from typing import Any, cast

import pytest
from confluent_kafka import KafkaError, Message

from pipeline.errors import LogUnavailable
from pipeline.kafka.flight import Flight
from tests.doubles.log import settle


class _Message:
    def topic(self) -> str:
        return "t"


MESSAGE = cast(Message, _Message())


async def test_an_empty_flight_has_landed() -> None:
    await Flight().landed()


async def test_it_lands_with_the_last_report_of_any_thread() -> None:
    flight = Flight()
    reports = [flight.launch() for _ in range(4000)]
    landing = asyncio.create_task(flight.landed())
    await settle()
    threads = [threading.Thread(target=lambda at=at: [it(None, MESSAGE) for it in reports[at::4]]) for at in range(4)]
    assert not landing.done()
    for thread in threads:
        thread.start()
    async with asyncio.timeout(30):
        await landing
    for thread in threads:
        thread.join()


async def test_a_failure_is_told_when_the_others_have_landed() -> None:
    flight = Flight()
    first, second = flight.launch(), flight.launch()
    landing = asyncio.create_task(flight.landed())
    await settle()
    first(KafkaError(KafkaError._MSG_TIMED_OUT, "timed out"), MESSAGE)
    await settle()
    assert not landing.done()
    second(None, MESSAGE)
    with pytest.raises(LogUnavailable, match="t: timed out"):
        await landing


async def test_a_recalled_record_is_not_waited_for() -> None:
    flight = Flight()
    report = flight.launch()
    flight.launch()
    landing = asyncio.create_task(flight.landed())
    await settle()
    report(None, MESSAGE)
    flight.recall()
    async with asyncio.timeout(5):
        await landing


async def test_one_who_gives_up_waiting_does_not_end_the_others_wait() -> None:
    flight = Flight()
    report = flight.launch()
    impatient, patient = asyncio.create_task(flight.landed()), asyncio.create_task(flight.landed())
    await settle()
    impatient.cancel()
    await settle()
    late = asyncio.create_task(flight.landed())
    await settle()
    assert impatient.cancelled()
    assert not patient.done()
    assert not late.done()
    report(None, MESSAGE)
    async with asyncio.timeout(5):
        await asyncio.gather(patient, late)


async def test_it_can_be_launched_again_after_it_has_landed() -> None:
    flight = Flight()
    flight.launch()(None, MESSAGE)
    await flight.landed()
    report: Any = flight.launch()
    landing = asyncio.create_task(flight.landed())
    await settle()
    assert not landing.done()
    report(None, MESSAGE)
    await landing
