"""The single list of topics. Provisioning, archiving, watching, documents and tests read it."""

from __future__ import annotations

from collections.abc import Mapping

from schemas.accounts import topics as accounts
from schemas.clustering import topics as clustering
from schemas.exchange import REPLAYED, REPLIES, dead_letters
from schemas.operations import topics as operations
from schemas.topic import Topic

_STREETS: tuple[Topic, ...] = (*clustering.TOPICS, *accounts.TOPICS, *operations.TOPICS)

TOPICS: tuple[Topic, ...] = (
    *_STREETS,
    *(dead_letters(topic) for topic in _STREETS if topic.dead_letters),
    REPLIES,
    REPLAYED,
)

WORKERS_GROUP = "thalweg-workers"
"""The consumer group of the stream processors; Faust names changelogs after it."""

ARCHIVED = tuple(topic for topic in TOPICS if topic.archived)
STATEFUL = tuple(topic for topic in TOPICS if topic.stateful)
WATCHED = tuple(topic for topic in TOPICS if topic.watched)

READ_BY: Mapping[str, tuple[Topic, ...]] = {
    "api": (*(topic for topic in TOPICS if topic.compacted), *WATCHED, REPLIES, operations.VITALS),
    "worker": STATEFUL,
    "courier": (
        *(topic for topic in accounts.TOPICS if topic.compacted),
        accounts.MAIL,
        clustering.DRIFT,
    ),
    "archive": ARCHIVED,
    "operator": TOPICS,
}
"""What each part reads. Brokers with ACLs grant by this and by `Topic.writers` (`thalweg topics acls`)."""


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
    """A state's changelog, named as Faust names it."""
    return f"{WORKERS_GROUP}-{state}-changelog"


SIGNED = frozenset(topic.name for topic in TOPICS if topic.signed) | frozenset(
    changelog(topic) for topic in STATEFUL if topic.signed
)
"""Topics whose records carry a signature; with one that is stateful, its worker's changelog."""
