"""A topic's declaration: what it carries, under which key, how long, and who may write it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import Flag, auto

from schemas.entity import Entity
from schemas.event import Event


class Writer(Flag):
    """Who may write to a topic, one or several. Brokers with ACLs grant by this; `docs/operations.md` lists it."""

    ANYONE = auto()  # producers of events, over the ingest API or straight to Kafka
    WORKERS = auto()  # the stream processors
    DOOR = auto()  # the ingest API
    COURIER = auto()  # what sends mail and webhooks
    OPERATORS = auto()  # people, through `thalweg`

    @property
    def names(self) -> tuple[str, ...]:
        """In words, each by itself."""
        return tuple(str(each.name).lower() for each in self)


class Reader(Flag):
    """Who reads a topic besides those that follow from its other fields: workers read what is stateful, the API what is
    compacted or watched, the archive what is archived, the courier what triggers a webhook's event."""

    NONE = 0
    API = auto()
    COURIER = auto()


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic of the log.

    `partitions` of 0 means the cluster-wide number of `KafkaSettings.partitions`; topics that must be
    co-partitioned with an input all use 0. A `stateful` topic's worker keeps its state in a changelog of as many
    partitions. `compacted` topics keep the last record of a key, and every record for
    at least `retention`. Records of a `signed` topic are believed when our own processes wrote them.
    """

    name: str
    record: type[Event]
    key: str
    writers: Writer
    retention: timedelta = timedelta(days=7)
    compacted: bool = False
    partitions: int = 0
    dead_letters: bool = False
    stateful: bool = False
    watched: bool = False
    archived: bool = False
    signed: bool = False
    readers: Reader = Reader.NONE

    @property
    def subject(self) -> str:
        """The Schema Registry subject (TopicNameStrategy)."""
        return f"{self.name}-value"

    @property
    def refused(self) -> str:
        """The dead-letter twin's name: `points.observed.v1` has `points.observed.refused.v1`."""
        stem, version = self.name.rsplit(".", 1)
        return f"{stem}.refused.{version}"

    @property
    def settings(self) -> dict[str, str]:
        """Topic configuration for the broker."""
        milliseconds = str(int(self.retention.total_seconds() * 1000))
        common = {"max.message.bytes": str(8 * 1024 * 1024), "message.timestamp.type": "LogAppendTime"}
        if self.compacted:
            return common | {
                "cleanup.policy": "compact",
                "min.compaction.lag.ms": milliseconds,
                "segment.ms": "3600000",
                "min.cleanable.dirty.ratio": "0.2",
            }
        return common | {"cleanup.policy": "delete", "retention.ms": milliseconds}


def entities(name: str, record: type[Entity], readers: Reader = Reader.NONE) -> Topic:
    """The topic that holds every entity of a kind, each as it is now. One partition: a single writer decides."""
    return Topic(
        *(name, record, "id", Writer.WORKERS, timedelta(hours=1)),
        compacted=True,
        partitions=1,
        signed=True,
        readers=readers,
    )
