"""What a checkpoint needs of Faust, and the check that Faust is the one this was written against."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import aiokafka
import faust
import faust.streams
from faust.transport.consumer import Consumer

from pipeline.errors import Misconfigured
from pipeline.kafka.flight import Flight
from pipeline.kafka.producer import Producer
from topologies.snapshots import SnapshotTable

FAUST = "0.15.3"
AIOKAFKA = "0.14.0"


class FaustEngine:
    """A Faust app's generation, and one table of it: read as Faust recovered it, written by our own producer.

    The changelog goes through librdkafka's idempotent producer and not through Faust's, whose flush gives up after a
    tenth of a second without telling (`transport/producer.py`, `flush_atmost`).
    """

    def __init__(self, app: faust.App, table: SnapshotTable, changelog: str, producer: Callable[[], Producer]) -> None:
        self._app, self._table, self._changelog, self._producer = app, table, changelog, producer

    @property
    def generation(self) -> int:
        return int(self._app.consumer_generation_id)

    def recovered(self, key: bytes) -> bytes | None:
        value: bytes | None = self._table.data.get(key)
        return value

    async def remember(self, partition: int, snapshots: Sequence[tuple[bytes, bytes]]) -> None:
        flight = Flight()
        for key, value in snapshots:
            self._producer().launch(flight, self._changelog, value, key=key, partition=partition)
        await flight.landed()
        for key, value in snapshots:
            self._table.data[key] = value


def check_faust() -> None:
    """Names what is not as `runs.py` and `checkpoint.py` need it. Raises Misconfigured."""
    moved = [f"{name} is {found}, not {wanted}" for name, found, wanted in _versions() if found != wanted]
    if getattr(faust.streams, "_CStreamIterator", None) is None:
        moved.append(
            "faust's compiled stream iterator is missing (the pure Python one acknowledges events that it skips): "
            "install a CPython wheel, without NO_CYTHON"
        )
    for name, wanted in _SIGNATURES.items():
        found = _parameters(getattr(Consumer, name, None))
        if found != wanted:
            moved.append(f"Consumer.{name}{wanted} is now {found}")
    moved += [f"Consumer.{name} is gone" for name in _MEMBERS if name not in Consumer.__init__.__code__.co_names]
    if moved:
        raise Misconfigured("faust has changed under the state protocol: " + "; ".join(moved))


_SIGNATURES = {
    "getmany": ["self", "timeout"],
    "perform_seek": ["self"],
    "resume_flow": ["self"],
    "on_partitions_revoked": ["self", "revoked"],
    "wait_empty": ["self"],
    "_add_gap": ["self", "tp", "offset_from", "offset_to"],
    "_new_offset": ["self", "tp"],
    "_wait_next_records": ["self", "timeout"],
}


# Set in Consumer.__init__ and read or changed by RunConsumer.
_MEMBERS = ("_acked", "_acked_index", "_committed_offset", "_buffered_partitions", "_unacked_messages")


def _versions() -> list[tuple[str, str, str]]:
    return [("faust-streaming", faust.__version__, FAUST), ("aiokafka", aiokafka.__version__, AIOKAFKA)]


def _parameters(function: Any) -> list[str] | None:
    return None if function is None else list(inspect.signature(function).parameters)
