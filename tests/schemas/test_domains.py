"""A domain declares its records by itself, and takes nothing that is another's."""

from __future__ import annotations

import pytest

from schemas.catalogue import EVENTS, READ_BY, TOPICS, domain_of, topics_of
from schemas.domain import Domain
from schemas.domains import DOMAINS
from schemas.exchange import REPLAYED, REPLIES
from schemas.permissions import PERMISSIONS
from schemas.registry import checked_in, checked_in_by

BEFORE_RANGES = range(1, 23)
"""Ids that were given one after the other, to whichever domain came next."""

each_domain = pytest.mark.parametrize("domain", DOMAINS, ids=lambda domain: domain.name)


@each_domain
def test_new_schema_ids_come_from_the_domains_own_range(domain: Domain) -> None:
    schemas, _ = checked_in_by(domain.name)
    assert [each for each in schemas if each not in BEFORE_RANGES and each not in domain.ids] == []


def test_no_id_is_given_twice() -> None:
    given = [each for name in (*(domain.name for domain in DOMAINS), None) for each in checked_in_by(name)[0]]
    assert sorted(given) == sorted(checked_in().schemas)
    assert not [
        (one.name, other.name)
        for one in DOMAINS
        for other in DOMAINS
        if one is not other and set(one.ids) & {*other.ids, *BEFORE_RANGES}
    ]


@each_domain
def test_a_domains_subjects_are_listed_in_its_own_folder(domain: Domain) -> None:
    records = {record.SCHEMA for record in (*(topic.record for topic in domain.topics), *domain.answers)}
    _, subjects = checked_in_by(domain.name)
    assert subjects.keys() == {topic.subject for topic in topics_of(domain)} | {
        f"{record.SCHEMA}-value" for record in domain.answers
    }
    assert records <= {schema.name for schema in checked_in().schemas.values()}


@each_domain
def test_a_domains_topics_know_their_domain(domain: Domain) -> None:
    assert {domain_of(topic) for topic in topics_of(domain)} <= {domain}


def test_what_all_domains_share_is_of_none() -> None:
    shared = [topic for topic in TOPICS if not any(topic in topics_of(domain) for domain in DOMAINS)]
    assert shared == [REPLIES, REPLAYED]
    with pytest.raises(KeyError):
        domain_of(REPLIES)


def test_no_two_domains_share_a_name() -> None:
    names = [domain.name for domain in DOMAINS]
    for each in DOMAINS:
        names += [
            *(it.name for it in each.topics),
            *(it.name for it in each.permissions),
            *(it.name for it in each.events),
        ]
    assert [name for name in names if names.count(name) > 1] == []


def test_an_event_needs_a_permission_that_there_is_and_the_courier_reads_its_topic() -> None:
    assert set(EVENTS.values()) <= PERMISSIONS
    triggering = {event.topic for domain in DOMAINS for event in domain.events if event.topic is not None}
    assert triggering <= set(READ_BY["courier"])
