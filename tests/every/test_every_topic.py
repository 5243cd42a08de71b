"""What every topic and every record promises."""

from __future__ import annotations

import re
from dataclasses import fields

import pytest

from ingest_api.domains import WATCHES
from pipeline.warehouse.archive.archive import TARGETS
from schemas.catalogue import ARCHIVED, TOPICS, WATCHED, changelog, state_of, topic_named
from schemas.entity import Entity
from schemas.event import Event
from schemas.registry import Schema, canonical, checked_in
from schemas.topic import Topic, Writer
from tests.schemas.samples import SAMPLES

REGISTRY = checked_in()
RECORDS = sorted(
    {topic.record for topic in TOPICS} | {type(sample) for sample in SAMPLES}, key=lambda kind: kind.SCHEMA
)


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_a_topics_name_says_fact_and_version(topic: Topic) -> None:
    assert re.fullmatch(r"[a-z]+(\.[a-z]+)*\.v\d+", topic.name)
    assert topic_named(topic.name) is topic


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_a_topics_subject_has_the_schema_of_its_record(topic: Topic) -> None:
    newest = REGISTRY.subjects[topic.subject][-1]
    assert REGISTRY.schemas[newest].name.split("-")[0] == topic.record.SCHEMA


@pytest.mark.parametrize("topic", [topic for topic in TOPICS if topic.dead_letters], ids=lambda topic: topic.name)
def test_an_input_has_its_dead_letters(topic: Topic) -> None:
    twin = topic_named(topic.refused)
    assert twin.retention >= topic.retention
    assert twin.writers is Writer.WORKERS


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_whoever_may_write_anything_is_listened_to_with_dead_letters(topic: Topic) -> None:
    assert (Writer.ANYONE in topic.writers) <= topic.dead_letters


@pytest.mark.parametrize("topic", [topic for topic in TOPICS if topic.stateful], ids=lambda topic: topic.name)
def test_a_stateful_input_is_never_compacted_and_names_its_changelog(topic: Topic) -> None:
    assert not topic.compacted
    assert changelog(topic).endswith(f"-{state_of(topic)}-changelog")


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.__name__)
def test_a_record_has_the_fields_of_its_schema(record: type[Event]) -> None:
    schema = REGISTRY.named(record.SCHEMA)
    assert {field.name for field in fields(record)} == {field["name"] for field in schema.definition["fields"]}


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.__name__)
def test_an_entity_names_its_kind(record: type[Event]) -> None:
    assert not issubclass(record, Entity) or re.fullmatch(r"[a-z]+", record.KIND)


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.__name__)
def test_a_record_keeps_what_is_secret_out_of_logs(record: type[Event]) -> None:
    secret = {"password", "secret", "digest", "totp", "totp_offered", "backup_codes", "sealed"}
    assert not [field.name for field in fields(record) if field.name in secret and field.repr]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.__name__)
def test_a_record_has_a_sample(record: type[Event]) -> None:
    assert any(type(sample) is record for sample in SAMPLES)


@pytest.mark.parametrize("schema", REGISTRY.schemas.values(), ids=lambda schema: schema.name)
def test_a_schema_parses_has_a_subject_and_describes_itself(schema: Schema) -> None:
    assert canonical(schema.text)
    assert REGISTRY.subjects_of(schema.id)
    assert schema.definition["doc"]


def test_the_archive_stores_what_the_catalogue_says_is_archived() -> None:
    assert {target.topic for target in TARGETS} == set(ARCHIVED)


def test_the_live_bridge_tells_what_the_catalogue_says_is_watched() -> None:
    assert {watch.topic for watch in WATCHES} == set(WATCHED)
