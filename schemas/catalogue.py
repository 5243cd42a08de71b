"""The single list of topics. Provisioning, archiving, watching, documents and tests read it."""

from __future__ import annotations

from collections.abc import Mapping

from schemas.domain import Domain
from schemas.domains import DOMAINS
from schemas.entity import Decided
from schemas.event import Event
from schemas.exchange import REPLAYED, REPLIES, dead_letters
from schemas.state import Sequenced
from schemas.topic import Reader, Topic


def topics_of(domain: Domain) -> tuple[Topic, ...]:
    """The domain's topics and their dead letters."""
    return (*domain.topics, *(dead_letters(topic) for topic in domain.topics if topic.dead_letters))


_DECLARED: tuple[Topic, ...] = tuple(topic for domain in DOMAINS for topic in domain.topics)

TOPICS: tuple[Topic, ...] = (
    *_DECLARED,
    *(dead_letters(topic) for topic in _DECLARED if topic.dead_letters),
    REPLIES,
    REPLAYED,
)

RECORDS: tuple[type[Event], ...] = (
    *(topic.record for topic in TOPICS),
    *(record for domain in DOMAINS for record in domain.answers),
    Decided,
    Sequenced,
)
"""All that a value of the log may be. Answers are carried by `replies.v1`, and the topic of a sequence is named by its
state: these have no topic in the catalogue."""

EVENTS: Mapping[str, str] = {event.name: event.permission for domain in DOMAINS for event in domain.events}
"""What a webhook may subscribe to, and the permission that its owner needs."""

ARCHIVED = tuple(topic for topic in TOPICS if topic.archived)
STATEFUL = tuple(topic for topic in TOPICS if topic.stateful)
WATCHED = tuple(topic for topic in TOPICS if topic.watched)

INPUTS: Mapping[str, tuple[Topic, ...]] = {
    domain.name: inputs for domain in DOMAINS if (inputs := tuple(topic for topic in domain.topics if topic.stateful))
}
"""By domain, the topics that its workers read into a state. The domain with the most work comes first."""

WORKERS_GROUP = "thalweg-workers"
"""The one consumer group of all domains' workers, before each domain had its own (`pipeline.kafka.group.inherit`)."""

_TRIGGERS = tuple(event.topic for domain in DOMAINS for event in domain.events if event.topic is not None)

READ_BY: Mapping[str, tuple[Topic, ...]] = {
    "api": (
        *(topic for topic in TOPICS if topic.compacted),
        *WATCHED,
        REPLIES,
        *(topic for topic in TOPICS if Reader.API in topic.readers),
    ),
    "worker": STATEFUL,
    "courier": (*(topic for topic in TOPICS if Reader.COURIER in topic.readers), *_TRIGGERS),
    "archive": ARCHIVED,
    "operator": TOPICS,
}
"""What each part reads. Brokers with ACLs grant by this and by `Topic.writers` (`thalweg topics acls`)."""

_DOMAIN_OF: Mapping[str, Domain] = {topic.name: domain for domain in DOMAINS for topic in topics_of(domain)}


def domain_of(topic: Topic) -> Domain:
    """The domain that declares the topic, or the input whose dead letters it takes. Raises KeyError for what all
    domains share."""
    return _DOMAIN_OF[topic.name]


def topic_named(name: str) -> Topic:
    """Raises KeyError, listing the names there are."""
    for topic in TOPICS:
        if topic.name == name:
            return topic
    raise KeyError(f"no topic {name!r}; there are {', '.join(topic.name for topic in TOPICS)}")


def state_of(topic: Topic) -> str:
    """The name of the state that `topic`'s worker keeps: `points.observed.v1` has `points-observed`."""
    return topic.name.rsplit(".", 1)[0].replace(".", "-")


def changelog(topic: Topic) -> str:
    """The topic that `topic`'s worker keeps its state in."""
    return changelog_of(state_of(topic))


def changelog_of(state: str) -> str:
    """A state's changelog. The name does not follow the group that reads the state's inputs, which may change."""
    return f"thalweg-workers-{state}-changelog"


def group_of(domain: str) -> str:
    """The consumer group of the domain's workers."""
    return f"thalweg-{domain}-workers"


def group_reading(topic: Topic) -> str:
    """The consumer group of the workers that read a stateful topic. Raises KeyError for what all domains share."""
    return group_of(domain_of(topic).name)


SIGNED = frozenset(topic.name for topic in TOPICS if topic.signed) | frozenset(
    changelog(topic) for topic in STATEFUL if topic.signed
)
"""Topics whose records carry a signature; with one that is stateful, its worker's changelog."""
