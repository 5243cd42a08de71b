"""Whether one Avro schema may read what another wrote, and where and why it may not.

The rules are those of Avro 1.12, "Schema Resolution", held for whatever may have been written: every symbol and every
branch must be readable, and bytes, which need not be UTF-8, are no string. Beyond them a logical type must stay:
microseconds read as milliseconds resolve without an error and are wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import fastavro

Json = Any
MOST_COMPARED = 20_000
_PROMOTIONS: Mapping[str, frozenset[str]] = {
    "int": frozenset({"long", "float", "double"}),
    "long": frozenset({"float", "double"}),
    "float": frozenset({"double"}),
    "string": frozenset({"bytes"}),
}
"""What the writer's primitive may be read as, beside itself."""


class Direction(StrEnum):
    """BACKWARD: the newer schema reads what the older wrote. FORWARD: the older reads what the newer writes."""

    BACKWARD = "BACKWARD"
    FORWARD = "FORWARD"


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a reader cannot read. `path` is dotted from the record's top; empty for the top itself."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}" if self.path else self.reason


@dataclass(frozen=True, slots=True)
class Breach:
    """One thing that makes a new schema incompatible with an old one."""

    direction: Direction
    obstacle: Obstacle

    def __str__(self) -> str:
        who = "new cannot read old" if self.direction is Direction.BACKWARD else "old cannot read new"
        return f"{who}: {self.obstacle}"


def breaches(old: Json, new: Json) -> Sequence[Breach]:
    """Everything that forbids `new` as the next version after `old`; empty where it is allowed both ways.

    Both are schemas as parsed JSON. Raises ValueError for what is no schema.
    """
    backward = [Breach(Direction.BACKWARD, obstacle) for obstacle in obstacles(reader=new, writer=old)]
    forward = [Breach(Direction.FORWARD, obstacle) for obstacle in obstacles(reader=old, writer=new)]
    return [*backward, *forward]


def obstacles(reader: Json, writer: Json) -> Sequence[Obstacle]:
    """Every reason why `reader` may not read everything that `writer` may have written; empty where it may.

    Raises ValueError for what is no schema.
    """
    (read, reader_names), (written, writer_names) = _parsed(reader), _parsed(writer)
    return list(dict.fromkeys(_Resolution(reader_names, writer_names).compare(read, written, "")))


class _Resolution:
    """One comparison. Records already being compared are taken to agree, so that recursive schemas end. Raises
    ValueError beyond MOST_COMPARED: a schema that names its parts again and again takes time that its size does not
    show."""

    def __init__(self, reader_names: Mapping[str, Json], writer_names: Mapping[str, Json]) -> None:
        self._reader_names, self._writer_names = reader_names, writer_names
        self._under_way: set[tuple[str, str]] = set()
        self._compared = 0

    def compare(self, reader: Json, writer: Json, path: str) -> Iterator[Obstacle]:
        self._compared += 1
        if self._compared > MOST_COMPARED:
            raise ValueError(f"the schemas are too intricate: more than {MOST_COMPARED} parts would be compared")
        reader, writer = _resolved(reader, self._reader_names), _resolved(writer, self._writer_names)
        if isinstance(writer, list):
            for branch in writer:
                yield from self.compare(reader, branch, path)
        elif isinstance(reader, list):
            yield from self._union(reader, writer, path)
        elif _kind(reader) != _kind(writer) and _kind(reader) not in _PROMOTIONS.get(_kind(writer), ()):
            yield Obstacle(path, f"{_told(writer)} cannot be read as {_told(reader)}")
        else:
            if _logical(reader) != _logical(writer):
                told = f"{_told(writer)} would be read as {_told(reader)}"
                yield Obstacle(path, f"{told}: the same bytes, another meaning")
            yield from self._inside(reader, writer, path)

    def _inside(self, reader: Json, writer: Json, path: str) -> Iterator[Obstacle]:
        kind = _kind(reader)
        if kind in ("array", "map"):
            part = "items" if kind == "array" else "values"
            yield from self.compare(reader[part], writer[part], f"{path}[]")
        elif kind in ("record", "enum", "fixed") and not _same_name(reader, writer):
            yield Obstacle(path, f"it is {_told(writer)} where {_told(reader)} is expected")
        elif kind == "enum":
            unknown = [symbol for symbol in writer["symbols"] if symbol not in reader["symbols"]]
            if unknown and "default" not in reader:
                yield Obstacle(path, f"the reader does not know {', '.join(unknown)} and has no default symbol")
        elif kind == "fixed" and reader["size"] != writer["size"]:
            yield Obstacle(path, f"it has {writer['size']} bytes where {reader['size']} are expected")
        elif kind == "record":
            yield from self._record(reader, writer, path)

    def _record(self, reader: Json, writer: Json, path: str) -> Iterator[Obstacle]:
        pair = reader["name"], writer["name"]
        if pair in self._under_way:
            return
        self._under_way.add(pair)
        written = {field["name"]: field for field in writer["fields"]}
        for field in reader["fields"]:
            names = (field["name"], *field.get("aliases", ()))
            source = next((written[name] for name in names if name in written), None)
            at = f"{path}.{field['name']}" if path else field["name"]
            if source is not None:
                yield from self.compare(field["type"], source["type"], at)
            elif "default" not in field:
                yield Obstacle(at, "the writer has no such field and the reader no default for it")
        self._under_way.discard(pair)

    def _union(self, reader: list[Json], writer: Json, path: str) -> Iterator[Obstacle]:
        """One branch must take it. Where none does, the branch of the same kind and name says why."""
        tried = {index: list(self.compare(branch, writer, path)) for index, branch in enumerate(reader)}
        if all(tried.values()):
            meant = (index for index, branch in enumerate(reader) if self._looks_like(branch, writer))
            index = next(meant, None)
            told = f"{_told(writer)} is in no branch of the reader's {_told(reader)}"
            yield from [Obstacle(path, told)] if index is None else tried[index]

    def _looks_like(self, reader: Json, writer: Json) -> bool:
        reader = _resolved(reader, self._reader_names)
        if _kind(reader) != _kind(writer):
            return False
        return _kind(reader) not in ("record", "enum", "fixed") or _same_name(reader, writer)


def _parsed(schema: Json) -> tuple[Json, Mapping[str, Json]]:
    """With every name in full, and the definitions by name."""
    names: dict[str, Json] = {}
    try:
        return fastavro.parse_schema(schema, names), names
    except (KeyError, TypeError, fastavro.schema.SchemaParseException, fastavro.schema.UnknownType) as error:
        raise ValueError(f"not an Avro schema: {error}") from error


def _resolved(schema: Json, names: Mapping[str, Json]) -> Json:
    """The definition behind a name; anything else as it is."""
    if isinstance(schema, str):
        return names.get(schema, schema)
    if isinstance(schema, dict) and (isinstance(schema["type"], dict | list) or schema["type"] in names):
        return _resolved(schema["type"], names)
    return schema


def _kind(schema: Json) -> str:
    kind = schema if isinstance(schema, str) else schema["type"]
    return "record" if kind == "error" else str(kind)


def _logical(schema: Json) -> str | None:
    if not isinstance(schema, dict) or "logicalType" not in schema:
        return None
    return " ".join(str(schema[name]) for name in ("logicalType", "precision", "scale") if name in schema)


def _told(schema: Json) -> str:
    if isinstance(schema, list):
        return f"[{', '.join(_told(branch) for branch in schema)}]"
    if isinstance(schema, str):
        return schema
    logical = _logical(schema)
    return " ".join(str(part) for part in (_kind(schema), schema.get("name"), logical and f"({logical})") if part)


def _same_name(reader: Json, writer: Json) -> bool:
    """Unqualified names decide (Avro 1.12, Schema Resolution), or the reader's aliases."""
    wrote = writer["name"].rpartition(".")[2]
    return any(wrote == name.rpartition(".")[2] for name in (reader["name"], *reader.get("aliases", ())))
