"""The broker a command talks to: found, or an error that says what to do."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping

from pipeline.cli.options import kafka_settings
from pipeline.errors import LogUnavailable, Misconfigured
from pipeline.kafka.provision import Existing, existing
from pipeline.settings import KafkaSettings

Topics = Mapping[str, Existing]


def reach(bootstrap: str, timeout: float = 5.0) -> tuple[KafkaSettings, Topics]:
    """The settings, and the topics there are, by name. Raises LogUnavailable, Misconfigured."""
    hush()
    settings = kafka_settings(bootstrap)
    try:
        return settings, {topic.name: topic for topic in existing(settings, timeout)}
    except LogUnavailable as error:
        raise LogUnavailable(
            f"{error}. Start one with `thalweg up`, or name yours with --bootstrap or THALWEG_KAFKA_BOOTSTRAP"
        ) from error


def known(topics: Topics, name: str) -> Existing:
    """Raises Misconfigured, naming the topics there are."""
    if name not in topics:
        there = ", ".join(topic for topic in topics if not topic.startswith("_")) or "none"
        raise Misconfigured(f"the broker has no topic {name!r}; it has {there}. `thalweg topics create` makes ours")
    return topics[name]


def hush() -> None:
    """The client library tells of every failed connection, where a command says it once, in its own words."""
    if os.environ.get("THALWEG_DEBUG") != "1":
        logging.getLogger("pipeline.kafka").setLevel(logging.CRITICAL)
