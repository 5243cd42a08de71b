"""Waiting for a broker that is not there yet: a part that is started while Kafka is away need not end."""

from __future__ import annotations

import logging
from collections.abc import Callable

from pipeline import announce
from pipeline.errors import LogUnavailable
from pipeline.kafka.provision import existing
from pipeline.settings import KafkaSettings

WAIT_SECONDS = 2.0
log = logging.getLogger(__name__)


def await_broker(settings: KafkaSettings, ended: Callable[[], bool] = lambda: False) -> None:
    """Returns once a broker answers, or `ended()` says that nobody waits any more. Says once that it waits."""
    told = False
    while not ended():
        try:
            existing(settings, WAIT_SECONDS)
            return
        except LogUnavailable as failure:
            if not told:
                log.warning("waiting: %s", failure)
                announce.progress(f"waiting for Kafka at {settings.bootstrap}")
            told = True
