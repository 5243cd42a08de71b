"""The audit read back: by who, what, when and from where, newest first, a page at a time."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from pipeline.warehouse.reader import Reader

MOST = 1000
"""Rows of a page."""
_LATEST = 4_291_747_199_999_999  # the end of 2105, as in the archive
_CURSOR = re.compile(r"([0-9]{1,16})-([0-9]{1,9})-([0-9]{1,18})")
_COLUMNS = """toUnixTimestamp64Micro(at), actor, action, target, verdict, status, reason, address, request_id, count,
       source_partition, source_offset, details, _partition, _offset"""
_CONDITIONS = {
    "actor": "actor = {actor:String}",
    "action": "startsWith(action, {action:String})",
    "target": "target = {target:String}",
    "verdict": "verdict = {verdict:String}",
    "address": "address = {address:String}",
    "request_id": "request_id = {request_id:String}",
    "since": "at >= fromUnixTimestamp64Micro({since:Int64}, 'UTC')",
    "until": "at < fromUnixTimestamp64Micro({until:Int64}, 'UTC')",
}
_BEHIND = """at <= fromUnixTimestamp64Micro({at:Int64}, 'UTC')
  AND (at, _partition, _offset) < (fromUnixTimestamp64Micro({at:Int64}, 'UTC'), {partition:UInt32}, {offset:Int64})"""


@dataclass(frozen=True, slots=True)
class Cursor:
    """The row a page ended with: its time in microseconds, and its place in the log."""

    at: int
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.at}-{self.partition}-{self.offset}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError."""
        found = _CURSOR.fullmatch(text)
        if found is None:
            raise ValueError("no cursor of this list")
        return cls(*map(int, found.groups()))


@dataclass(frozen=True, slots=True)
class Sought:
    """Which actions; None means any. `action` is how it begins. Times are in microseconds: from `since` on, before
    `until`."""

    actor: str | None = None
    action: str | None = None
    target: str | None = None
    verdict: str | None = None
    address: str | None = None
    request_id: str | None = None
    since: int | None = None
    until: int | None = None


@dataclass(frozen=True, slots=True)
class StoredAction:
    """One row: the fields of ActionAudited, and its place in the log."""

    at: int
    actor: str
    action: str
    target: str | None
    verdict: str
    status: int | None
    reason: str | None
    address: str | None
    request_id: str | None
    count: int
    source_partition: int | None
    source_offset: int | None
    details: Mapping[str, str]
    partition: int
    offset: int

    @property
    def cursor(self) -> Cursor:
        return Cursor(self.at, self.partition, self.offset)


@dataclass(frozen=True, slots=True)
class Page:
    """`following` is the cursor of the next page; None where this is the last."""

    actions: Sequence[StoredAction]
    following: Cursor | None


async def page(reader: Reader, sought: Sought, limit: int, cursor: Cursor | None = None) -> Page:
    """Up to `limit` actions behind the cursor, newest first. Rows that come in later change no page that follows an
    earlier one, unless they are older than it. Raises as Reader does."""
    parameters: dict[str, str | int] = {"limit": min(limit, MOST) + 1}
    conditions = []
    for name, condition in _CONDITIONS.items():
        value = getattr(sought, name)
        if value is not None:
            conditions.append(condition)
            parameters[name] = min(max(value, 0), _LATEST) if isinstance(value, int) else value
    if cursor is not None:
        conditions.append(_BEHIND)
        parameters |= {"at": min(cursor.at, _LATEST), "partition": cursor.partition, "offset": cursor.offset}
    where = f"WHERE {' AND '.join(conditions)}\n" if conditions else ""
    order = "ORDER BY at DESC, _partition DESC, _offset DESC\nLIMIT {limit:UInt32}"
    found = await reader.rows(f"SELECT {_COLUMNS}\nFROM audit\n{where}{order}", parameters)
    actions = [StoredAction(*row) for row in found[: int(parameters["limit"]) - 1]]
    return Page(actions, actions[-1].cursor if len(found) > len(actions) else None)
