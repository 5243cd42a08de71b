"""Record batches as bytes, with what clients of Kafka would not write but its brokers take."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy
from aiokafka.structs import TopicPartition

_ELSEWHERE = 6
UNCOMPRESSED, GZIP, SNAPPY, LZ4, ZSTD = range(5)
Header = tuple[bytes, bytes | None]
Entry = tuple[bytes | None, bytes | None, Sequence[Header]]
"""A record's key, value and headers."""


class _Name(str):
    """A header's name that is any bytes: the builder asks a name to encode itself."""

    raw: bytes

    def encode(self, *_: Any) -> bytes:
        return self.raw


def _named(raw: bytes) -> _Name:
    name = _Name()
    name.raw = raw
    return name


def batch(entries: Sequence[Entry], *, base: int = 0, compression: int = UNCOMPRESSED) -> bytes:
    """One batch of records (format 2), the first at offset `base`."""
    builder = _DefaultRecordBatchBuilderPy(2, compression, False, -1, -1, 0, 1 << 30)
    for offset, (key, value, headers) in enumerate(entries):
        named = [(_named(name), content) for name, content in headers]
        assert builder.append(offset, timestamp=1, key=key, value=value, headers=named) is not None
    made = bytearray(builder.build())
    struct.pack_into(">q", made, 0, base)  # stands before what the checksum covers
    return bytes(made)


async def send(bootstrap: str, topic: str, partition: int, made: bytes) -> int:
    """Puts the batch into the log as it is; the offset its first record got."""
    client = AIOKafkaClient(bootstrap_servers=bootstrap)
    await client.bootstrap()
    try:
        await client.set_topics([topic])
        request = ProduceRequest(
            transactional_id=None, required_acks=-1, timeout=30_000, topics=[(topic, [(partition, made)])]
        )
        place, error = TopicPartition(topic, partition), _ELSEWHERE
        while error == _ELSEWHERE:  # the leader of a new topic may not know it yet
            await client.force_metadata_update()
            leader = client.cluster.leader_for_partition(place)
            if leader is not None and leader >= 0:
                [(_, [(_, error, offset, *_)])] = (await client.send(leader, request)).topics
        assert error == 0, f"the broker refused the batch: error {error}"
        return int(offset)
    finally:
        await client.close()
