"""The courier reports that it is alive, and what it met that nobody should have written."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Callable

from pipeline.clock import Clock
from pipeline.errors import Failure
from pipeline.forgeries import Forgeries
from pipeline.kafka.producer import Producer
from pipeline.settings import KafkaSettings
from schemas.codec import Codec
from schemas.operations.topics import VITALS
from schemas.operations.vitals import REPORT_SECONDS, VitalsReported

log = logging.getLogger(__name__)

NAME = "courier"


async def report(
    kafka: KafkaSettings, codec: Codec, ready: Callable[[], bool], forgeries: Forgeries, clock: Clock
) -> None:
    """Every REPORT_SECONDS, until it is cancelled. Not awaited: where the log is away, a later report says the same."""
    producer, host, started_at = Producer(kafka, f"thalweg-{NAME}-vitals"), socket.gethostname(), clock()
    process = NAME, host, os.getpid(), started_at
    try:
        while True:
            vitals = VitalsReported(*process, clock(), ready(), {}, forgeries.count, forgeries.last_at)
            try:
                producer.send(VITALS.name, codec.encode(vitals), key=vitals.key.encode())
            except Failure as failure:
                log.warning("this courier's vitals are not reported: %s", failure)
            await asyncio.sleep(REPORT_SECONDS)
    finally:
        await producer.close(0.5)
