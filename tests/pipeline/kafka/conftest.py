"""Topics and groups of a test's own, on the shared broker."""

from __future__ import annotations

import pytest

from pipeline.settings import KafkaSettings
from tests.pipeline.kafka.topics import Topics


@pytest.fixture
def kafka(kafka_bootstrap: str) -> KafkaSettings:
    return KafkaSettings(kafka_bootstrap, partitions=3)


@pytest.fixture
def topics(kafka: KafkaSettings) -> Topics:
    return Topics(kafka)


@pytest.fixture
def topic(topics: Topics) -> str:
    """One of three partitions."""
    return topics.make()
