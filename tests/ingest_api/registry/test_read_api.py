"""The Schema Registry read API, asked by Confluent's own client over a real socket, and by hand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import numpy as np
import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.serialization import MessageField, SerializationContext

from ingest_api.app import create_app
from ingest_api.registry.lookup import MAX_LOOKUP
from ingest_api.registry.problems import MEDIA_TYPE
from schemas.clustering.points import PointsObserved
from schemas.codec import Codec
from schemas.registry import checked_in
from tests.doubles.desk import wired
from tests.doubles.door import app_with, client_of, served, settings_with

SUBJECT = "points.observed.v1-value"
VALUE = SerializationContext("points.observed.v1", MessageField.VALUE)
TEXT = checked_in().named("points.observed.v1").text
OBSERVED = datetime(2025, 1, 15, 10, 30, 0, 123456, UTC)
POINTS: dict[str, Any] = {
    "stream": "default",
    "batch_id": "b1",
    "source": None,
    "observed_at": OBSERVED,
    "action": "LEARN",
    "dimension": 3,
    "config": None,
    "metadata": {"sensor": "7"},
    "values": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
}


@pytest.fixture
async def registry() -> AsyncIterator[SchemaRegistryClient]:
    settings = settings_with()
    async with served(create_app(settings, wired(settings)), settings) as (host, port):
        client = SchemaRegistryClient({"url": f"http://{host}:{port}"})
        yield client
        await asyncio.to_thread(client.__exit__, None, None, None)


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app_with()) as client:
        yield client


@pytest.mark.parametrize(
    "settings",
    [{"auto.register.schemas": False}, {"auto.register.schemas": False, "use.latest.version": True}],
    ids=["the schema looked up", "the latest version"],
)
async def test_what_confluents_serializer_writes_the_codec_reads(
    registry: SchemaRegistryClient, settings: dict[str, Any]
) -> None:
    raw = await asyncio.to_thread(lambda: AvroSerializer(registry, TEXT, conf=settings)(POINTS, VALUE))
    points = Codec().decode(raw, PointsObserved)
    assert points.stream == "default"
    assert points.batch_id == "b1"
    assert points.observed_at == int(OBSERVED.timestamp() * 1_000_000)
    np.testing.assert_array_equal(points.values, POINTS["values"])


async def test_what_the_codec_writes_confluents_deserializer_reads(registry: SchemaRegistryClient) -> None:
    raw = await asyncio.to_thread(
        lambda: AvroSerializer(registry, TEXT, conf={"auto.register.schemas": False})(POINTS, VALUE)
    )
    ours = Codec().encode(Codec().decode(raw, PointsObserved))
    read = await asyncio.to_thread(lambda: AvroDeserializer(registry)(ours, VALUE))
    assert read == POINTS


async def test_a_serializer_that_registers_the_same_schema_gets_its_id(registry: SchemaRegistryClient) -> None:
    raw = await asyncio.to_thread(lambda: AvroSerializer(registry, TEXT)(POINTS, VALUE))
    assert Codec().decode(raw, PointsObserved).dimension == 3


async def test_a_schema_without_docs_and_logical_types_is_still_the_same_schema(
    registry: SchemaRegistryClient,
) -> None:
    bare = json.loads(TEXT)
    del bare["doc"]
    for field in bare["fields"]:
        field.pop("doc", None)
    found = await asyncio.to_thread(registry.lookup_schema, SUBJECT, Schema(json.dumps(bare), "AVRO"))
    assert (found.schema_id, found.version) == (1, 1)


async def test_another_schema_is_refused_with_confluents_number(registry: SchemaRegistryClient) -> None:
    foreign = Schema('{"type": "record", "name": "Other", "fields": []}', "AVRO")
    with pytest.raises(SchemaRegistryError) as lookup:
        await asyncio.to_thread(registry.lookup_schema, SUBJECT, foreign)
    with pytest.raises(SchemaRegistryError) as registering:
        await asyncio.to_thread(registry.register_schema, SUBJECT, foreign)
    assert (lookup.value.http_status_code, lookup.value.error_code) == (404, 40403)
    assert (registering.value.http_status_code, registering.value.error_code) == (422, 42205)
    assert "read-only" in registering.value.error_message


async def test_the_client_reads_everything_there_is(registry: SchemaRegistryClient) -> None:
    held = checked_in()
    assert await asyncio.to_thread(registry.get_subjects) == list(held.subjects)
    for subject, ids in held.subjects.items():
        assert await asyncio.to_thread(registry.get_versions, subject) == list(range(1, len(ids) + 1))
        latest = await asyncio.to_thread(registry.get_latest_version, subject)
        assert (latest.schema_id, latest.schema.schema_str) == (ids[-1], held.schemas[ids[-1]].text)
        by_id = await asyncio.to_thread(registry.get_schema, ids[-1], subject)
        assert by_id.schema_str == latest.schema.schema_str
        versions = await asyncio.to_thread(registry.get_schema_versions, ids[-1])
        assert [(each.subject, each.version) for each in versions] == held.subjects_of(ids[-1])
    assert (await asyncio.to_thread(registry.get_config)).compatibility_level == "FULL_TRANSITIVE"
    assert (await asyncio.to_thread(registry.get_global_mode)) == "READONLY"


@pytest.mark.parametrize(
    ("path", "status", "number"),
    [
        ("/subjects/none/versions", 404, 40401),
        ("/subjects/none/versions/1", 404, 40401),
        (f"/subjects/{SUBJECT}/versions/2", 404, 40402),
        (f"/subjects/{SUBJECT}/versions/0", 422, 42202),
        (f"/subjects/{SUBJECT}/versions/first", 422, 42202),
        (f"/subjects/{SUBJECT}/versions/²", 422, 42202),
        (f"/subjects/{SUBJECT}/versions/{'9' * 1500}", 422, 42202),
        (f"/subjects/{'s' * 1500}/versions", 404, 40401),
        (f"/subjects/{'s' * 5000}/versions", 414, 414),
        ("/schemas/ids/99", 404, 40403),
        ("/schemas/ids/99/subjects", 404, 40403),
        ("/schemas/ids/one/schema", 404, 40403),
        ("/config/none", 404, 40401),
        ("/mode/none", 404, 40401),
        ("/subjects/none/versions/1/referencedby", 404, 40401),
        (f"/subjects/{SUBJECT}/versions/7/referencedby", 404, 40402),
        ("/schemas/nothing", 404, 404),
    ],
)
async def test_what_is_not_there_is_said_in_confluents_numbers(
    http: httpx.AsyncClient, path: str, status: int, number: int
) -> None:
    answer = await http.get(path)
    assert (answer.status_code, answer.json()["error_code"]) == (status, number)
    assert answer.headers["Content-Type"] == MEDIA_TYPE
    assert len(answer.content) < 500


@pytest.mark.parametrize(
    ("body", "status", "number"),
    [
        (b"{", 400, 400),
        (b"{}", 422, 422),
        (b'{"schema": "no json"}', 422, 42201),
        (b'{"schema": "{\\"type\\": \\"nonsense\\"}"}', 422, 42201),
        (b'{"schema": "[]"}', 404, 40403),
        (b'{"schema": "3"}', 422, 42201),
        (b'{"schema": "\\"string\\"", "schemaType": "PROTOBUF"}', 404, 40403),
        (b'{"schema": "' + b"[" * 20_000 + b'"}', 422, 42201),
        (b'{"schema": "' + b" " * MAX_LOOKUP + b'3"}', 413, 413),
    ],
)
async def test_a_lookup_of_nonsense_is_refused(http: httpx.AsyncClient, body: bytes, status: int, number: int) -> None:
    answer = await http.post(f"/subjects/{SUBJECT}", content=body, headers={"Content-Type": MEDIA_TYPE})
    assert (answer.status_code, answer.json()["error_code"]) == (status, number), answer.text


def changed(**field: Any) -> str:
    """Our schema with one field more."""
    schema = json.loads(TEXT)
    schema["fields"].append({"name": "weather", "type": "string"} | field)
    return json.dumps(schema)


async def test_confluents_client_learns_what_could_follow(registry: SchemaRegistryClient) -> None:
    for text, compatible in ((TEXT, True), (changed(default=""), True), (changed(), False)):
        for version in ("latest", 1):
            found = await asyncio.to_thread(registry.test_compatibility, SUBJECT, Schema(text, "AVRO"), version)
            assert found is compatible


async def test_what_stands_against_a_schema_is_told_to_who_asks(http: httpx.AsyncClient) -> None:
    for path in ("versions", "versions/latest"):
        url = f"/compatibility/subjects/{SUBJECT}/{path}"
        assert (await http.post(url, json={"schema": changed()})).json() == {"is_compatible": False}
        answer = await http.post(url, json={"schema": changed()}, params={"verbose": "true"})
        assert "weather" in answer.json()["messages"][0]
        fine = await http.post(url, json={"schema": TEXT}, params={"verbose": "true"})
        assert fine.json() == {"is_compatible": True, "messages": []}


@pytest.mark.parametrize(
    ("subject", "version", "schema", "number"),
    [
        ("none", "latest", TEXT, 40401),
        (SUBJECT, "7", TEXT, 40402),
        (SUBJECT, "first", TEXT, 42202),
        (SUBJECT, "latest", "{", 42201),
        (SUBJECT, "latest", '{"type":' * 400 + '"int"' + "}" * 400, 42201),
    ],
)
async def test_nothing_can_follow_what_is_not_there_and_nonsense_follows_nothing(
    http: httpx.AsyncClient, subject: str, version: str, schema: str, number: int
) -> None:
    answer = await http.post(f"/compatibility/subjects/{subject}/versions/{version}", json={"schema": schema})
    assert answer.json()["error_code"] == number


async def test_a_schema_of_many_references_is_not_compared_for_ever(http: httpx.AsyncClient) -> None:
    """Of 80 KB, that would be 360,000 comparisons."""
    parts = [{"name": f"p{number}", "type": "int", "aliases": ["max_clusters"]} for number in range(600)]
    wide = {"type": "record", "name": "ClusteringConfig", "fields": parts}
    fields = [{"name": "config", "type": wide}]
    fields += [{"name": f"c{number}", "type": "ClusteringConfig", "aliases": ["config"]} for number in range(600)]
    schema = json.loads(TEXT) | {"fields": fields}
    schema.pop("namespace", None)
    answer = await http.post(f"/compatibility/subjects/{SUBJECT}/versions/1", json={"schema": json.dumps(schema)})
    assert answer.json()["error_code"] == 42201
    assert "too intricate" in answer.json()["message"]


async def test_every_schema_is_listed(http: httpx.AsyncClient) -> None:
    held = checked_in()
    every = (await http.get("/schemas")).json()
    assert [(each["subject"], each["version"], each["id"], each["schema"]) for each in every] == [
        (subject, version, number, held.schemas[number].text)
        for subject, ids in held.subjects.items()
        for version, number in enumerate(ids, 1)
    ]
    newest = (await http.get("/schemas", params={"latestOnly": "true"})).json()
    assert [each["id"] for each in newest] == [ids[-1] for ids in held.subjects.values()]
    page = (await http.get("/schemas", params={"offset": 1, "limit": 2})).json()
    assert page == every[1:3]


async def test_a_subject_has_the_mode_of_all_and_no_schema_refers_to_another(http: httpx.AsyncClient) -> None:
    assert (await http.get(f"/mode/{SUBJECT}")).json() == {"mode": "READONLY"}
    assert (await http.get(f"/subjects/{SUBJECT}/versions/latest/referencedby")).json() == []


async def test_the_schema_alone_is_plain_avro(http: httpx.AsyncClient) -> None:
    by_version = await http.get(f"/subjects/{SUBJECT}/versions/latest/schema")
    by_id = await http.get("/schemas/ids/1/schema")
    assert by_version.json() == by_id.json() == json.loads(TEXT)


async def test_subjects_are_found_by_prefix(http: httpx.AsyncClient) -> None:
    answer = await http.get("/subjects", params={"subjectPrefix": "drift."})
    assert answer.json() == ["drift.detected.v1-value"]
