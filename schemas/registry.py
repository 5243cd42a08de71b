"""The checked-in schemas and their ids: what a Schema Registry would hold, read from the domains' `avsc/` folders.

Each folder's `registry.json` gives every id its file and every subject its versions in order; `schemas/avsc/` holds
what all domains share. Ids are for ever: a schema that changes gets a new file, a new id and a new version; the old
file stays, since old records stay. New ids come from the domain's own range.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib.resources import files
from typing import Any, cast

import fastavro

from schemas.domains import DOMAINS

Json = dict[str, Any]
DOUBLES = {"type": "array", "items": "double"}
MAX_NAME = 1024
"""Characters of a name or namespace. Written out in full a namespace is repeated in every name beneath it: one of 60 KB
makes 54 MB of a schema of 128 KB."""
WHOLE = ({"type": "array", "items": "int"}, {"type": "array", "items": "long"})


@dataclass(frozen=True, slots=True)
class Part:
    """Consecutive fields of a record, and a schema of nothing else: a record's encoding is that of its fields, one
    after the other (Avro 1.12, Records)."""

    names: tuple[str, ...]
    parsed: Json


@dataclass(frozen=True)
class Schema:
    """One Avro schema. `text` is the JSON as checked in; `definition` is the same, parsed as JSON."""

    id: int
    name: str
    text: str

    @cached_property
    def definition(self) -> Json:
        return cast(Json, json.loads(self.text))

    @cached_property
    def parsed(self) -> Json:
        """For fastavro. Logical types are left out: times are plain microseconds here, as everywhere inside."""
        return cast(Json, fastavro.parse_schema(_physical(self.definition)))

    @cached_property
    def arrays(self) -> tuple[str, ...]:
        """The trailing fields that are arrays of doubles: written and read by numpy, without a Python float."""
        names: list[str] = []
        for part in reversed(self.definition["fields"]):
            if part["type"] != DOUBLES:
                break
            names.append(part["name"])
        return tuple(reversed(names))

    @cached_property
    def plain(self) -> tuple[Json, ...]:
        """The fields before `arrays`."""
        fields = self.definition["fields"]
        return tuple(fields[: len(fields) - len(self.arrays)])

    @cached_property
    def head(self) -> Json:
        """The schema without `arrays`, which an Avro record's encoding simply has behind it (Avro 1.12, Records)."""
        return cast(Json, fastavro.parse_schema(_physical(self.definition | {"fields": self.plain})))

    @cached_property
    def whole(self) -> tuple[str, ...]:
        """The fields right before `arrays` that are arrays of whole numbers: read by numpy, a hundred at a stroke."""
        names: list[str] = []
        for part in reversed(self.plain):
            if part["type"] not in WHOLE:
                break
            names.append(part["name"])
        return tuple(reversed(names))

    @cached_property
    def front(self) -> Json:
        """`head` without `whole`."""
        fields = self.plain[: len(self.plain) - len(self.whole)]
        return cast(Json, fastavro.parse_schema(_physical(self.definition | {"fields": fields})))

    def parts(self, varying: Collection[str]) -> tuple[Part, ...]:
        """`plain`, parted at the fields named, each of which is a part of its own."""
        return self._parts(frozenset(varying))

    @cache  # noqa: B019  (schemas live as long as the process)
    def _parts(self, varying: frozenset[str]) -> tuple[Part, ...]:
        groups: list[list[Json]] = []
        for part in self.plain:
            if groups and part["name"] not in varying and groups[-1][0]["name"] not in varying:
                groups[-1].append(part)
            else:
                groups.append([part])
        return tuple(Part(tuple(field["name"] for field in group), _record_of(group)) for group in groups)


def _record_of(fields: Sequence[Json]) -> Json:
    return cast(Json, fastavro.parse_schema(_physical({"type": "record", "name": "_", "fields": list(fields)})))


@dataclass(frozen=True)
class Registry:
    """Schemas by id and the versions of each subject, oldest first."""

    schemas: Mapping[int, Schema]
    subjects: Mapping[str, Sequence[int]]
    _by_name: Mapping[str, Schema] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_name", {schema.name: schema for schema in self.schemas.values()})

    def named(self, name: str) -> Schema:
        """The newest schema of that file name. Raises KeyError."""
        return self._by_name[name]

    def subjects_of(self, schema_id: int) -> list[tuple[str, int]]:
        """(subject, version) pairs that a schema id stands for."""
        return [(subject, ids.index(schema_id) + 1) for subject, ids in self.subjects.items() if schema_id in ids]

    def find(self, subject: str, text: str) -> tuple[int, Schema] | None:
        """(version, schema) of the subject whose schema says the same as `text`, or None."""
        wanted = canonical(text)
        for version, schema_id in enumerate(self.subjects.get(subject, ()), 1):
            if canonical(self.schemas[schema_id].text) == wanted:
                return version, self.schemas[schema_id]
        return None


def canonical(text: str) -> str:
    """Avro's Parsing Canonical Form: equal texts mean equal bytes. Raises ValueError for what is no schema."""
    try:
        schema = json.loads(text)
        if _has_long_name(schema):
            raise fastavro.schema.SchemaParseException(f"a name is longer than {MAX_NAME} characters")
        return fastavro.schema.to_parsing_canonical_form(schema)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error}") from error
    except fastavro.schema.UnknownType as error:
        raise ValueError(f"not an Avro schema: unknown type {str(error)[:100]!r}") from error
    except fastavro.schema.SchemaParseException as error:
        raise ValueError(f"not an Avro schema: {error}") from error
    except Exception as error:  # fastavro raises whatever the JSON made it trip over
        raise ValueError("not an Avro schema") from error


def _has_long_name(schema: Any) -> bool:
    left = [schema]
    while left:
        node = left.pop()
        if isinstance(node, dict):
            if any(isinstance(name := node.get(key), str) and len(name) > MAX_NAME for key in ("name", "namespace")):
                return True
            left += node.values()
        elif isinstance(node, list):
            left += node
    return False


def checked_in() -> Registry:
    """The registry this code was built with: each domain's schemas, then those that all share."""
    schemas: dict[int, Schema] = {}
    subjects: dict[str, Sequence[int]] = {}
    for domain in (*(domain.name for domain in DOMAINS), None):
        held, listed = checked_in_by(domain)
        schemas |= held
        subjects |= listed
    return Registry(schemas, subjects)


def checked_in_by(domain: str | None) -> tuple[Mapping[int, Schema], Mapping[str, Sequence[int]]]:
    """Schemas and subjects of one domain, None: of all of them; none of a domain without records."""
    home = files("schemas")
    folder = (home if domain is None else home / domain) / "avsc"
    if not (folder / "registry.json").is_file():
        return {}, {}
    listing = json.loads((folder / "registry.json").read_text("utf-8"))
    schemas = {
        int(key): Schema(int(key), name, (folder / f"{name}.avsc").read_text("utf-8"))
        for key, name in listing["schemas"].items()
    }
    return schemas, listing["subjects"]


def _physical(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _physical(value) for key, value in node.items() if key not in ("logicalType", "doc")}
    if isinstance(node, list | tuple):
        return [_physical(item) for item in node]
    return node
