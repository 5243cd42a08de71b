"""What a checkpoint needs of Faust, and the check that Faust is the one this was written against."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, cast

import aiokafka
import faust
import faust.streams
from aiokafka import AIOKafkaConsumer
from aiokafka.consumer.fetcher import FetchResult, PartitionRecords
from faust.tables.manager import TableManager
from faust.tables.recovery import Recovery
from faust.transport.consumer import Consumer
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread

from pipeline.errors import Misconfigured
from pipeline.kafka.flight import Flight
from pipeline.kafka.producer import Producer
from topologies.framing import name_of, own_key
from topologies.runs import Assignment, RunConsumer
from topologies.snapshots import SnapshotTable

FAUST = "0.15.3"
AIOKAFKA = "0.14.0"


class FaustEngine:
    """A Faust app's generation, and one table of it: read as Faust recovered it, written by our own producer.

    The changelog goes through librdkafka's idempotent producer and not through Faust's, whose flush gives up after a
    tenth of a second without telling (`transport/producer.py`, `flush_atmost`).
    """

    def __init__(
        self,
        app: faust.App,
        table: SnapshotTable,
        changelog: str,
        producer: Callable[[], Producer],
        inputs: Collection[str],
    ) -> None:
        self._app, self._table, self._changelog, self._producer = app, table, changelog, producer
        self._inputs = inputs

    @property
    def generation(self) -> int:
        return int(self._app.consumer_generation_id)

    def assignment(self) -> Assignment | None:
        return cast(RunConsumer, self._app.consumer).assigned(self._inputs)

    def recovered(self, key: bytes) -> bytes | None:
        value: bytes | None = self._table.data.get(key)
        return value

    def recovered_of(self, partition: int) -> Iterable[tuple[str, bytes]]:
        own = own_key(partition)
        for key, value in list(self._table.data.items()):
            if key.startswith(own) and key != own:
                yield name_of(partition, key), value

    def outdated_of(self, partition: int) -> Sequence[bytes]:
        trust = self._table.trust
        return [] if trust is None else trust.settle(partition, self._table.data)

    async def remember(self, partition: int, snapshots: Sequence[tuple[bytes, bytes]]) -> None:
        flight = Flight()
        for key, value in snapshots:
            self._producer().launch(flight, self._changelog, value, key=key, partition=partition)
        await flight.landed()
        for key, value in snapshots:
            self._table.data[key] = value
        if self._table.trust is not None:
            self._table.trust.written(partition, [key for key, _ in snapshots])


def check_faust() -> None:
    """Names what is not as `runs.py` and `checkpoint.py` need it. Raises Misconfigured."""
    moved = [f"{name} is {found}, not {wanted}" for name, found, wanted in _versions() if found != wanted]
    if getattr(faust.streams, "_CStreamIterator", None) is None:
        moved.append(
            "faust's compiled stream iterator is missing (the pure Python one acknowledges events that it skips): "
            "install a CPython wheel, without NO_CYTHON"
        )
    for kind, signatures in _SIGNATURES.items():
        for name, wanted in signatures.items():
            found = _parameters(getattr(kind, name, None))
            if found != wanted:
                moved.append(f"{kind.__name__}.{name}{wanted} is now {found}")
    for kind, members in _MEMBERS.items():
        moved += [f"{kind.__name__}.{name} is gone" for name in members if name not in kind.__init__.__code__.co_names]
    if moved:
        raise Misconfigured("faust has changed under the state protocol: " + "; ".join(moved))


_SIGNATURES: dict[type[Any], dict[str, list[str]]] = {
    Consumer: {
        "getmany": ["self", "timeout"],
        "perform_seek": ["self"],
        "resume_flow": ["self"],
        "on_partitions_revoked": ["self", "revoked"],
        "wait_empty": ["self"],
        "_add_gap": ["self", "tp", "offset_from", "offset_to"],
        "_new_offset": ["self", "tp"],
        "_get_active_partitions": ["self"],
    },
    AIOKafkaConsumerThread: {
        "_fetch_records": ["self", "consumer", "active_partitions", "timeout", "max_records"],
        "_ensure_consumer": ["self"],
        "_create_worker_consumer": ["self", "transport"],
    },
    FetchResult: {"getall": ["self", "max_records"]},
    TableManager: {"on_start": ["self"], "_update_channels": ["self"]},
    Recovery: {"active_remaining": ["self"]},
}
_MEMBERS: dict[type[Any], tuple[str, ...]] = {
    Consumer: ("_acked", "_acked_index", "_committed_offset", "_buffered_partitions", "_unacked_messages"),
    TableManager: ("_changelog_queue",),
    Recovery: ("active_offsets",),
    AIOKafkaConsumer: ("_isolation_level",),
    FetchResult: ("_partition_records",),
    PartitionRecords: ("next_fetch_offset",),
}
"""Set in `__init__`, and read or changed by our consumer."""


def _versions() -> list[tuple[str, str, str]]:
    return [("faust-streaming", faust.__version__, FAUST), ("aiokafka", aiokafka.__version__, AIOKAFKA)]


def _parameters(function: Any) -> list[str] | None:
    return None if function is None else list(inspect.signature(function).parameters)
