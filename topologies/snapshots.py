"""The state of every key as a table record: the offset it has applied, then the step's own bytes.

The greatest applied offset wins, whatever order the changelog has them in: a worker that was taken for dead may wake
and write an old snapshot over a newer one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from faust.tables.table import Table
from faust.types import TP, EventT

from schemas.catalogue import changelog_of
from topologies.framing import HEAD_BYTES, applied_of
from topologies.trust import Trust


@dataclass(frozen=True, slots=True)
class _Change:
    """As much of a changelog event as Faust's store looks at."""

    key: bytes
    value: bytes
    partition: int

    @property
    def message(self) -> _Change:
        return self


class SnapshotTable(Table[bytes, bytes]):
    """A Faust table that is recovered by runs of its changelog's records (`runs.RunConsumer`), and keeps the greatest
    applied offset of each key. With `trust` a record is taken that is believed."""

    trust: Trust | None = None

    def _changelog_topic_name(self) -> str:
        """The state's, whatever group reads its inputs."""
        return changelog_of(self.name)

    async def on_recovery_completed(self, active_tps: set[TP], standby_tps: set[TP]) -> None:
        """Whatever is another's by now leaves the memory, with all it weighs. Faust lets go of what it recovered alone;
        what was written since then it would keep for good."""
        await super().on_recovery_completed(active_tps, standby_tps)
        held = {b"%d" % tp.partition for tp in active_tps}
        for key in [key for key in self.data if key.partition(b"/")[0] not in held]:
            del self.data[key]

    def apply_changelog_batch(self, batch: Iterable[EventT[Any]]) -> None:
        newest: dict[bytes, _Change] = {}
        for event in batch:
            for record in cast("Sequence[Any]", event.message.value):
                key, value = record.key, record.value
                if not isinstance(key, bytes) or not isinstance(value, bytes) or len(value) < HEAD_BYTES:
                    continue
                if self.trust is not None and not self.trust.admits(record):
                    continue
                held = newest[key].value if key in newest else self.data.get(key)
                if held is None or applied_of(value) >= applied_of(held):
                    newest[key] = _Change(key, value, record.partition)
        super().apply_changelog_batch(cast("list[EventT[Any]]", list(newest.values())))
