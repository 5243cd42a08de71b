"""The base every record shares: a frozen dataclass whose fields are the fields of its Avro schema, in order."""

from __future__ import annotations

from dataclasses import dataclass, fields
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
        """The record as fastavro writes it; float arrays are left as numpy. Records that hold records say so by
        overriding this."""
        return shallow(self)

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


def shallow(record: Any) -> dict[str, Any]:
    """A dataclass's fields by name, as they are."""
    kind = type(record)
    if kind not in _NAMES:
        _NAMES[kind] = tuple(field.name for field in fields(kind))
    return {name: getattr(record, name) for name in _NAMES[kind]}


_NAMES: dict[Any, tuple[str, ...]] = {}
