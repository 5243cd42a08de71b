"""The base every record shares: a frozen dataclass whose fields are the fields of its Avro schema, in order."""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from enum import StrEnum
from typing import Any, ClassVar, Self

import numpy as np


@dataclass(frozen=True, slots=True, eq=False)
class Event:
    """A record of a topic.

    `SCHEMA` names the Avro file (without `.avsc`) that writes and reads it. Times are microseconds since the
    epoch, UTC. Float arrays are one-dimensional `numpy.float64`.
    """

    SCHEMA: ClassVar[str]

    def datum(self) -> dict[str, Any]:
        """The record as fastavro writes it: plain dicts, lists and scalars; float arrays are left as numpy."""
        return {field.name: _plain(getattr(self, field.name)) for field in fields(self)}

    @classmethod
    def of(cls, datum: dict[str, Any]) -> Self:
        """The record read back from a datum. Fields the schema of today lacks are ignored by resolution before."""
        return cls(**datum)

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        mine, theirs = self.datum(), other.datum()
        return all(_same(mine[name], theirs[name]) for name in mine)

    __hash__ = None  # type: ignore[assignment]


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray):
        return np.array_equal(one, other, equal_nan=True)
    return bool(one == other)


def _plain(value: Any) -> Any:
    if isinstance(value, StrEnum):
        return value.value
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value
