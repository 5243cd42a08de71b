"""A world a test, on the shared broker."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from pipeline.settings import KafkaSettings
from tests.pipeline.courier.world import World, world
from tests.pipeline.kafka.topics import Topics


@pytest.fixture
async def here(kafka_bootstrap: str) -> AsyncIterator[World]:
    kafka = KafkaSettings(kafka_bootstrap, partitions=2)
    async with world(kafka, Topics(kafka)) as made:
        yield made
