"""Saying what a subscriber did not get, and why: nothing is left out in silence."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum

from ingest_api.live.backlog import Lost
from ingest_api.live.layout import Layout
from ingest_api.live.message import Outgoing


class Reason(StrEnum):
    SLOW_READER = "slow_reader"  # more came than the subscriber took: `cursor` leads to before the first lost
    RETENTION = "retention"  # the log keeps records for so long, and these are older
    SUPERSEDED = "superseded"  # compaction removed older states of a key whose newest one is told
    REPLAY_LIMIT = "replay_limit"  # too long ago for one replay
    RECREATED = "log_recreated"  # the cursor points beyond the log's end: the topic was made anew
    MISSING = "missing"  # the log has no record there although it should
    CURSOR_REFUSED = "cursor_refused"  # nobody here gave this cursor: what it was meant to lead to is not known


@dataclass(frozen=True, slots=True)
class Range:
    """Offsets of one partition, `to` excluded; `missing` of them are concerned."""

    topic: str
    partition: int
    begin: int
    end: int
    missing: int


def gap(reason: Reason, ranges: Iterable[Range], at: int, *, cursor: str | None = None) -> Outgoing:
    """The event. It carries no id: one that reconnects with its last id may yet be told what it missed."""
    told = []
    for each in ranges:
        named = asdict(each)
        told.append({"from": named.pop("begin"), "to": named.pop("end"), **named})
    data: dict[str, object] = {"reason": reason.value, "missing": sum(each["missing"] for each in told), "ranges": told}
    if cursor is not None:
        data["cursor"] = cursor
    return Outgoing.of("gap", data, at)


def cursor_refused(why: str, at: int) -> Outgoing:
    """How much is missing nobody can know."""
    data: dict[str, object] = {"reason": Reason.CURSOR_REFUSED.value, "missing": None, "ranges": [], "message": why}
    return Outgoing.of("gap", data, at)


def slow_reader(lost: Lost, layout: Layout, at: int) -> Outgoing:
    ranges = [Range(*layout.places[place], *bounds) for place, bounds in sorted(lost.ranges.items())]
    return gap(Reason.SLOW_READER, ranges, at, cursor=lost.cursor)
