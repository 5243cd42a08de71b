"""actions.audited.v1 into `audit`: a row a record."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from pipeline.kafka.record import Record
from pipeline.warehouse.archive.assembler import Target
from pipeline.warehouse.archive.origin import Columns, log_time, moments, origin
from pipeline.warehouse.archive.restore import seen_commands
from pipeline.warehouse.connection import Connection
from pipeline.warehouse.seen import Seen
from schemas.accounts.topics import AUDITED
from schemas.accounts.traces import ActionAudited
from schemas.codec import Codec, Undecodable

REMEMBERED = 50_000
_INT = range(-(1 << 31), 1 << 31)
_LONG = range(1 << 63)
Commands = dict[tuple[str, int], Seen]
"""Offsets of commands by entity and partition: the entities of one kind are commanded on one topic, those of another
perhaps on another with the same offsets."""


class AuditAssembler:
    """See Assembler. A worker that crashed tells again what it had decided: a repetition is known by its command's
    position. Records without one come from the door, which tells once."""

    def __init__(self, codec: Codec, seen: Commands) -> None:
        self._codec, self._seen = codec, seen
        self._records: list[Record] = []
        self._actions: list[ActionAudited] = []
        self.rows = 0

    def add(self, record: Record) -> bool:
        if record.value is None:
            raise Undecodable("value_missing", "an action has a value")
        action = self._codec.decode(record.value, ActionAudited)
        _check(action)
        if action.source_partition is not None and action.source_offset is not None:
            place = entity_of(action.action), action.source_partition
            if not self._seen.setdefault(place, Seen()).add(action.source_offset):
                return False
        self._records.append(record)
        self._actions.append(action)
        self.rows += 1
        return True

    def take(self, previous: int) -> pa.Table:
        records, actions = self._records, self._actions
        self._records, self._actions, self.rows = [], [], 0
        block_at = log_time(records[0], actions[0].at)
        return pa.table(_columns(actions) | origin(records, np.ones(len(records), np.int64), previous, block_at))


def entity_of(action: str) -> str:
    """`user` of `user.create`."""
    return action.partition(".")[0]


def _check(action: ActionAudited) -> None:
    """What a column could not hold must not hold up the rest."""
    if action.count not in _INT or (action.status is not None and action.status not in _INT):
        raise Undecodable("number_invalid", f"status {action.status}, count {action.count}")
    partition, offset = action.source_partition, action.source_offset
    if partition is None and offset is None:
        return
    if partition is None or offset is None or partition not in _INT or partition < 0 or offset not in _LONG:
        raise Undecodable("position_invalid", f"the command at {partition}-{offset}")


def _columns(actions: list[ActionAudited]) -> Columns:
    def all_of(name: str, kind: pa.DataType) -> pa.Array:
        return pa.array([getattr(action, name) for action in actions], kind)

    return {
        "at": moments(np.array([action.at for action in actions], np.int64)),
        "actor": all_of("actor", pa.string()),
        "action": all_of("action", pa.string()),
        "target": all_of("target", pa.string()),
        "verdict": pa.array([action.verdict.value for action in actions], pa.string()),
        "status": all_of("status", pa.int32()),
        "reason": all_of("reason", pa.string()),
        "address": all_of("address", pa.string()),
        "request_id": all_of("request_id", pa.string()),
        "count": all_of("count", pa.int32()),
        "details": pa.array([list(action.details.items()) for action in actions], pa.map_(pa.string(), pa.string())),
        "source_partition": all_of("source_partition", pa.uint32()),
        "source_offset": all_of("source_offset", pa.int64()),
    }


def _restore(connection: Connection, codec: Codec, topic: str, partition: int) -> AuditAssembler:
    return AuditAssembler(codec, seen_commands(connection, topic, partition, REMEMBERED))


AUDIT = Target(AUDITED, "audit", _restore)
