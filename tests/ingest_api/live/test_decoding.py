"""What a record of the log tells a subscriber, and what it does not tell twice."""

from __future__ import annotations

from ingest_api.domains import WATCHES
from ingest_api.live.decoding import Decoder
from pipeline.kafka.record import Record
from schemas.clustering.clusters import ClustersUpdated
from schemas.clustering.topics import CLUSTERS
from schemas.codec import Codec
from schemas.exchange import SOURCE_HEADER
from tests.ingest_api.live.records import cluster, clusters

CODEC = Codec()


def told(
    decoder: Decoder, event: ClustersUpdated | None, *, source: int | None = None, partition: int = 0
) -> list[str]:
    """The types of the messages; `source` is a tombstone's cause."""
    headers = {} if source is None else {SOURCE_HEADER: f"points.observed.v1-{partition}-{source}".encode()}
    value = None if event is None else CODEC.encode(event)
    record = Record(CLUSTERS.name, partition, 0, 1, b"s", value, headers)
    return [message.type for message in decoder.read(record).messages]


def test_a_life_a_deletion_and_the_next_life_are_each_told_once_whoever_repeats_them() -> None:
    for partition in (0, 3):
        decoder = Decoder(WATCHES, CODEC)
        story = [(clusters("s", 3, cluster(1)), None), (None, 4), (clusters("s", 5, cluster(1)), None)]
        kinds = [told(decoder, it, source=source, partition=partition) for it, source in story]
        assert all(kinds)
        assert kinds[1] != kinds[0]
        assert [told(decoder, it, source=source, partition=partition) for it, source in story] == [[], [], []]
        assert told(decoder, clusters("s", 6, cluster(1)), partition=partition) == kinds[2]


def test_a_deletion_without_a_source_makes_everything_new() -> None:
    decoder = Decoder(WATCHES, CODEC)
    update = clusters("s", 3, cluster(1))
    first = told(decoder, update)
    assert told(decoder, None) == told(decoder, None) != []
    assert told(decoder, update) == first


def test_the_unreadable_tells_nothing_and_is_counted() -> None:
    decoder = Decoder(WATCHES, CODEC)
    record = Record(CLUSTERS.name, 0, 0, 1, b"s", b"not avro")
    assert decoder.read(record).messages == ()
    assert decoder.unreadable == 1
