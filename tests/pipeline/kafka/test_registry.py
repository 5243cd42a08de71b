"""A Schema Registry beside the checked-in schemas."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Iterator

import fastavro
import pytest

from pipeline.errors import LogUnavailable, Misconfigured
from pipeline.kafka.registry import schemas
from schemas.clustering.points import PointsObserved
from schemas.codec import Codec
from schemas.registry import checked_in
from tests.doubles.registry import RegistryDouble, serving
from tests.ports import free_ports

OURS = checked_in()
SUBJECT = "points.observed.v1-value"


@pytest.fixture
def registry() -> Iterator[RegistryDouble]:
    """One that has been filled with ours."""
    with serving() as double:
        for subject, ids in OURS.subjects.items():
            double.subjects[subject] = dict(enumerate(ids, 1))
        double.schemas |= {schema.id: schema.text for schema in OURS.schemas.values()}
        yield double


def test_without_a_registry_there_is_what_is_checked_in() -> None:
    assert schemas(None) == OURS


def test_a_registry_filled_with_ours_adds_nothing(registry: RegistryDouble) -> None:
    assert {schema_id: schema.text for schema_id, schema in schemas(registry.url).schemas.items()} == {
        schema_id: schema.text for schema_id, schema in OURS.schemas.items()
    }


def test_a_version_a_producer_has_registered_is_read(registry: RegistryDouble) -> None:
    definition = OURS.named("points.observed.v1").definition
    wider = {**definition, "fields": [*definition["fields"], {"name": "unit", "type": "string", "default": "m"}]}
    registry.schemas[500] = json.dumps(wider)
    registry.subjects[SUBJECT][2] = 500
    known = schemas(registry.url)
    out = io.BytesIO()
    datum = {"stream": "s", "observed_at": 5, "dimension": 1, "values": [1.5], "unit": "km"}
    fastavro.schemaless_writer(out, known.schemas[500].parsed, datum)
    event = Codec(known).decode(struct.pack(">bI", 0, 500) + out.getvalue(), PointsObserved)
    assert (event.stream, event.values.tolist()) == ("s", [1.5])


def test_another_schema_under_one_of_our_ids_is_refused(registry: RegistryDouble) -> None:
    registry.schemas[1] = '{"type": "record", "name": "Other", "fields": []}'
    with pytest.raises(Misconfigured, match="another schema under the id 1"):
        schemas(registry.url)


def test_a_registry_that_was_never_filled_says_what_to_do() -> None:
    with serving() as empty, pytest.raises(Misconfigured, match="thalweg schemas push"):
        schemas(empty.url)


def test_a_registry_that_is_away_is_named_without_its_password() -> None:
    [port] = free_ports(1)
    with pytest.raises(LogUnavailable, match=r"at 127\.0\.0\.1 does not answer") as caught:
        schemas(f"http://user:secret@127.0.0.1:{port}")
    assert "secret" not in str(caught.value)
