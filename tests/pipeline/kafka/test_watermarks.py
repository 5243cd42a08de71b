"""Watermarks of a partition that had no leader when the client last looked.

A client here that answers from memory as librdkafka does: the real one is brought there by a broker that has stood
still, and then only now and then (tests/flow/test_outage.py does so for the whole system).
"""

from __future__ import annotations

from typing import Any, cast

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException

from pipeline.errors import LogUnavailable
from pipeline.kafka.tail import OUTDATED, Watermarks, watermarks


class Forgetful:
    """`leaders`: whether there is one, at each look in turn; the last holds on."""

    def __init__(self, *leaders: bool) -> None:
        self._leaders, self._known = list(leaders), False

    def get_watermark_offsets(self, *_: Any, **__: Any) -> tuple[int, int]:
        if not self._known:
            raise KafkaException(KafkaError(OUTDATED))
        return 1, 2

    def list_topics(self, *_: Any, **__: Any) -> None:
        if not self._leaders:
            raise KafkaException(KafkaError(KafkaError._TRANSPORT))
        self._known = self._leaders.pop(0)


def asked(client: Forgetful) -> Watermarks:
    return watermarks(cast(Consumer, client), "t", 0)


def test_a_client_that_remembers_no_leader_is_made_to_look_again() -> None:
    assert asked(Forgetful(True)) == Watermarks(1, 2)


@pytest.mark.parametrize("client", [Forgetful(False), Forgetful()], ids=["still none", "no answer"])
def test_where_there_is_none_it_is_said_at_once(client: Forgetful) -> None:
    with pytest.raises(LogUnavailable, match="t-0"):
        asked(client)
