"""Making the topics there ought to be, and saying which are not as declared."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from pipeline.errors import LogUnavailable, Misconfigured
from pipeline.kafka.connection import connection
from pipeline.settings import KafkaSettings
from schemas.catalogue import TOPICS, changelog, changelog_of
from schemas.state import State
from schemas.topic import Topic

MIB = 1024 * 1024
log = logging.getLogger(__name__)

# What a worker's state topic needs: everything of the last quarter of an hour is kept, so that the snapshot of a
# worker that was thought dead cannot compact away a newer one (`topologies/checkpoint.py`), yet recovery stays short.
CHANGELOG_SETTINGS = {
    "cleanup.policy": "compact",
    "segment.ms": "600000",
    "segment.bytes": str(64 * MIB),
    "min.cleanable.dirty.ratio": "0.1",
    "min.compaction.lag.ms": "900000",
    "max.compaction.lag.ms": "3600000",
    "max.message.bytes": str(8 * MIB),
}

# Asking again would not help: THALWEG_REPLICATION, the broker's policies or its ACLs must change.
_REFUSALS = frozenset(
    {
        KafkaError.INVALID_REPLICATION_FACTOR,
        KafkaError.INVALID_PARTITIONS,
        KafkaError.INVALID_CONFIG,
        KafkaError.POLICY_VIOLATION,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    }
)


@dataclass(frozen=True, slots=True)
class Existing:
    """A topic as the broker has it."""

    name: str
    partitions: int
    replication: int


def provision(
    settings: KafkaSettings, topics: Iterable[Topic] = TOPICS, states: Iterable[State] = (), timeout: float = 30.0
) -> Sequence[str]:
    """Creates what is missing and returns its names. Safe to run twice, and by two at a time.

    Raises LogUnavailable when the broker does not answer, Misconfigured when a topic has other partitions than
    declared, for keys and state would no longer meet, or when the broker refuses to make one as it is set.
    """
    admin = AdminClient(connection(settings) | {"socket.timeout.ms": 10_000}, logger=log)
    asked = (*_wanted(settings, topics), *(each for state in states for each in _wanted_of(settings, state)))
    # One name twice in a request, and the client crashes (confluent-kafka 2.15, `Admin_c_topic_result_to_py`).
    wanted = list({topic.topic: topic for topic in asked}.values())
    there = {topic.name: topic for topic in existing(settings, timeout)}
    for topic in wanted:
        held = there.get(topic.topic)
        if held is not None and held.partitions != topic.num_partitions:
            raise Misconfigured(
                f"topic {topic.topic} has {held.partitions} partitions where {topic.num_partitions} are set "
                "(THALWEG_PARTITIONS): set it to what the log has; partitions cannot change under state"
            )
    missing = [topic for topic in wanted if topic.topic not in there]
    if not missing:
        return []
    futures: dict[str, Future[None]] = admin.create_topics(missing, operation_timeout=timeout)
    for name, future in futures.items():
        _created(name, future)
    _await_topics(settings, {topic.topic for topic in missing}, timeout)
    return [topic.topic for topic in missing]


def existing(settings: KafkaSettings, timeout: float = 10.0) -> list[Existing]:
    """The broker's topics. Raises LogUnavailable."""
    said: list[KafkaError] = []
    told = {"socket.timeout.ms": 10_000, "error_cb": said.append}
    admin = AdminClient(connection(settings) | told, logger=log)
    try:
        listed = admin.list_topics(timeout=timeout).topics
    except KafkaException as error:
        admin.poll(0)
        raise LogUnavailable(_unreachable(settings, said, error)) from error
    return [
        Existing(name, len(topic.partitions), min((len(p.replicas) for p in topic.partitions.values()), default=0))
        for name, topic in sorted(listed.items())
    ]


def _unreachable(settings: KafkaSettings, said: Sequence[KafkaError], error: KafkaException) -> str:
    """The client repeats a failed login until the time is over, and then says that no broker answers."""
    for failure in said:
        if failure.code() == KafkaError._AUTHENTICATION:  # noqa: SLF001
            return (
                f"Kafka at {settings.bootstrap} does not let {settings.security.username!r} in: see "
                f"THALWEG_KAFKA_USERNAME, THALWEG_KAFKA_PASSWORD and THALWEG_KAFKA_SASL_MECHANISM ({failure.str()})"
            )
        if failure.code() == KafkaError._SSL:  # noqa: SLF001
            return (
                f"TLS with Kafka at {settings.bootstrap} fails: see THALWEG_KAFKA_SECURITY_PROTOCOL and "
                f"THALWEG_KAFKA_CA_FILE ({failure.str()})"
            )
    return (
        f"no Kafka broker answers at {settings.bootstrap} by {settings.security.protocol} "
        f"(THALWEG_KAFKA_SECURITY_PROTOCOL): {error.args[0].str()}"
    )


def _wanted(settings: KafkaSettings, topics: Iterable[Topic]) -> Iterable[NewTopic]:
    for topic in topics:
        partitions = topic.partitions or settings.partitions
        yield NewTopic(topic.name, partitions, settings.replication, config=topic.settings)
        if topic.stateful:
            yield NewTopic(changelog(topic), partitions, settings.replication, config=CHANGELOG_SETTINGS)


def _wanted_of(settings: KafkaSettings, state: State) -> Iterable[NewTopic]:
    yield from _wanted(settings, state.topics)
    partitions = state.partitions or settings.partitions
    yield NewTopic(changelog_of(state.name), partitions, settings.replication, config=CHANGELOG_SETTINGS)


def _created(name: str, future: Future[None]) -> None:
    try:
        future.result()
    except KafkaException as error:
        code, said = error.args[0].code(), error.args[0].str()
        if code in _REFUSALS:
            raise Misconfigured(f"the broker refuses to make topic {name}: {said}") from error
        if code != KafkaError.TOPIC_ALREADY_EXISTS:
            raise LogUnavailable(f"topic {name} could not be created: {said}") from error


def _await_topics(settings: KafkaSettings, names: set[str], timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while not names <= {topic.name for topic in existing(settings) if topic.partitions}:
        if time.monotonic() > deadline:
            raise LogUnavailable(f"the broker has not made these topics within {timeout:.0f} s: {', '.join(names)}")
        time.sleep(0.05)
