"""A record of the log as a person or a program may read it, whatever its value is."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np
from rich.text import Text

from pipeline.cli.drawing import printable
from pipeline.clock import iso
from pipeline.kafka.record import Record
from schemas.catalogue import RECORDS as KINDS
from schemas.codec import Codec, Undecodable, schema_id_of
from schemas.event import Event

RECORDS: Mapping[str, type[Event]] = {kind.SCHEMA: kind for kind in KINDS}
"""By the name of the newest schema."""

FEW = 3
FEW_FIELDS = 2
HEX_PREFIX = 24
WORD = 64
KEY = "cyan"
NAME = "dim"
BAD = "red"


@dataclass(frozen=True, slots=True)
class Reading:
    """A record and what its value turned out to be: an event, nothing (a tombstone), or bytes and why they are no
    event."""

    record: Record
    event: Event | None
    undecodable: Undecodable | None = None


def read(codec: Codec, record: Record) -> Reading:
    if record.value is None:
        return Reading(record, None)
    try:
        return Reading(record, decoded(codec, record.value))
    except Undecodable as error:
        return Reading(record, None, error)


def decoded(codec: Codec, raw: bytes) -> Event:
    """The event that a frame's own schema id says it is. Raises Undecodable."""
    schema_id = schema_id_of(raw)
    for subject, _ in codec.registry.subjects_of(schema_id) if schema_id is not None else ():
        newest = codec.registry.schemas[codec.registry.subjects[subject][-1]]
        if newest.name in RECORDS:
            return codec.decode(raw, RECORDS[newest.name])
    if schema_id is None:
        raise Undecodable("frame_invalid", "not the Confluent wire format")
    raise Undecodable("schema_unknown", f"no schema has the id {schema_id}", schema_id)


def as_json(reading: Reading, codec: Codec) -> dict[str, Any]:
    """Ready for json.dumps. Bytes that are an event are told as one, others in base64; numbers that JSON has no word
    for are strings: "NaN", "Infinity", "-Infinity"."""
    record = reading.record
    told: dict[str, Any] = {
        "position": str(record.position),
        "timestamp": iso(record.timestamp * 1000),
        "key": None if record.key is None else _text(record.key),
        "headers": {name: _text(value) for name, value in record.headers.items()},
    }
    if reading.undecodable is not None:
        told["undecodable"] = {"reason": reading.undecodable.reason, "detail": reading.undecodable.detail}
        told["raw"] = base64.b64encode(record.value or b"").decode()
    else:
        told["schema"] = None if reading.event is None else reading.event.SCHEMA
        told["value"] = None if reading.event is None else _plain(reading.event, codec)
    return told


def as_line(reading: Reading, codec: Codec) -> Text:
    """One line: when, where, the key, then the fields that hold something, long ones in short."""
    record = reading.record
    line = Text(no_wrap=True).append(f"{iso(record.timestamp * 1000)[11:23]} ", style=NAME)
    line.append(f"{record.position} ", style="blue")
    if record.key is not None:
        line.append(f"{printable(_text(record.key))} ", style=KEY)
    if reading.undecodable is not None:
        error, raw = reading.undecodable, record.value or b""
        line.append(f"{error.reason}: {printable(error.detail)} ", style=BAD)
        return line.append(hexed(raw))
    if reading.event is None:
        return line.append("gone (null value)", style="magenta")
    for name, value in _shown(reading.event):
        line.append(f"{name}=", style=NAME)
        line.append(f"{_short(value, name, codec)} ")
    return line


def as_fields(event: Event, codec: Codec) -> Sequence[tuple[str, str]]:
    """Each field that holds something, in short."""
    every = ((it.name, getattr(event, it.name)) for it in fields(event))
    return [(name, _short(value, name, codec)) for name, value in every if value is not None and not _empty(value)]


def hexed(raw: bytes) -> str:
    """The first bytes, and how many there are."""
    dots = "…" if len(raw) > HEX_PREFIX else ""
    return f"{raw[:HEX_PREFIX].hex(' ')}{dots} ({len(raw):,} bytes)"


def _shown(event: Event) -> Sequence[tuple[str, Any]]:
    """Fields worth a place on a line: those that say something the key does not say already."""
    every = ((it.name, getattr(event, it.name)) for it in fields(event))
    return [(name, value) for name, value in every if value is not None and not (_empty(value) or name == "stream")]


def _empty(value: Any) -> bool:
    return isinstance(value, list | dict | np.ndarray | str | bytes) and len(value) == 0


def _short(value: Any, name: str, codec: Codec) -> str:
    if isinstance(value, bytes):
        try:
            inner = decoded(codec, value)
        except Undecodable:
            return _word(value) or hexed(value)
        return f"<{inner.SCHEMA} {' '.join(f'{it}={_short(held, it, codec)}' for it, held in _shown(inner))}>"
    if isinstance(value, np.ndarray | list):
        return _short_list(value, name, codec)
    if is_dataclass(value) and not isinstance(value, type):
        held = ((it.name, getattr(value, it.name)) for it in fields(value)[:FEW_FIELDS])
        return f"({' '.join(f'{it}={_short(inner, it, codec)}' for it, inner in held if inner is not None)})"
    if isinstance(value, Mapping):
        return f"{{{' '.join(f'{printable(str(it))}={_short(held, str(it), codec)}' for it, held in value.items())}}}"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, int) and name.endswith("_at"):
        return iso(value)
    return printable(str(value))


def _word(raw: bytes) -> str | None:
    """Bytes that are plainly a short text: a key, a header."""
    text = raw.decode("ascii", "replace")
    return text if text.isprintable() and text.isascii() and len(text) <= WORD else None


def _short_list(value: Any, name: str, codec: Codec) -> str:
    few = " ".join(_short(it, name, codec) for it in value[:FEW])
    return f"[{few}]" if len(value) <= FEW else f"[{few} … {len(value):,} in all]"


def _plain(value: Any, codec: Codec) -> Any:
    if isinstance(value, bytes):
        try:
            inner = decoded(codec, value)
        except Undecodable:
            return {"base64": base64.b64encode(value).decode()}
        return {"schema": inner.SCHEMA, "value": _plain(inner, codec)}
    if isinstance(value, np.ndarray):
        return [_plain(it, codec) for it in value.tolist()]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if is_dataclass(value) and not isinstance(value, type):
        return {it.name: _plain(getattr(value, it.name), codec) for it in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): _plain(held, codec) for name, held in value.items()}
    if isinstance(value, list):
        return [_plain(it, codec) for it in value]
    return value


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")
