"""Which records of the log are events that webhooks are told of, and in which words. A new one is one entry here."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from pipeline.clock import iso
from schemas.clustering.clusters import DriftDetected
from schemas.clustering.topics import DRIFT, OBSERVED
from schemas.position import Position
from schemas.topic import Topic


@dataclass(frozen=True, slots=True)
class Told:
    """`identity` names what happened, however often the log tells of it: a worker that crashed may repeat itself.
    `stream` is the key of the stream that it is about."""

    identity: str
    stream: str
    at: int
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Trigger:
    """Records of `topic` are the webhooks' `event`, for owners with `permission`; `tell` takes one and may pass it over
    (None)."""

    event: str
    topic: Topic
    permission: str
    tell: Callable[[Any], Told | None]


def _drift(record: DriftDetected) -> Told:
    position = str(Position(OBSERVED.name, record.source_partition, record.source_offset))
    data = {
        "stream": record.stream,
        "severity": record.severity,
        "affected_clusters": record.affected_clusters,
        "recommendation": record.recommendation,
        "signal": record.signal,
        "statistic": record.statistic,
        "at_point": record.at_point,
        "position": position,
    }
    return Told(f"{position}/{record.ordinal}", record.stream, record.detected_at, data)


TRIGGERS: tuple[Trigger, ...] = (Trigger("drift.detected", DRIFT, "clustering:read", _drift),)


class _Data(msgspec.Struct, frozen=True):
    stream: str | None = None


class _Body(msgspec.Struct, frozen=True):
    data: _Data


def stream_of(body: bytes) -> str | None:
    """The key of the stream that a payload of ours is about."""
    return msgspec.json.decode(body, type=_Body).data.stream


def body_of(event: str, told: Told) -> bytes:
    """A payload in the form that Standard Webhooks recommends. Numbers that JSON does not know become null."""
    return msgspec.json.encode({"type": event, "timestamp": iso(told.at), "data": told.data})


def delivery_id(webhook: str, event: str, told: Told) -> str:
    """The same of the same event and webhook, whoever makes it and however often."""
    named = "\0".join((webhook, event, told.identity))
    return f"msg_{hashlib.sha256(named.encode()).hexdigest()[:32]}"
