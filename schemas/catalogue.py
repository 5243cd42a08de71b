"""The single list of topics. Provisioning, archiving, watching, documents and tests read it."""

from __future__ import annotations

from schemas.clustering import topics as clustering
from schemas.exchange import REPLIES, dead_letters
from schemas.topic import Topic

_STREETS: tuple[Topic, ...] = (*clustering.TOPICS,)

TOPICS: tuple[Topic, ...] = (*_STREETS, *(dead_letters(topic) for topic in _STREETS if topic.dead_letters), REPLIES)

ARCHIVED = tuple(topic for topic in TOPICS if topic.archived)
WATCHED = tuple(topic for topic in TOPICS if topic.watched)


def topic_named(name: str) -> Topic:
    """Raises KeyError, listing the names there are."""
    for topic in TOPICS:
        if topic.name == name:
            return topic
    raise KeyError(f"no topic {name!r}; there are {', '.join(topic.name for topic in TOPICS)}")
