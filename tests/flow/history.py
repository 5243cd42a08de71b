"""The truth of a log: what the states and outputs must be, computed by one undisturbed reader in one go."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.clock import Clock
from pipeline.clustering.cluster import Cluster
from pipeline.clustering.state import StreamState
from pipeline.kafka.browse import stretch
from pipeline.outcome import Emit, Refuse
from pipeline.received import Raw
from pipeline.settings import KafkaSettings
from pipeline.telemetry import Meter
from schemas.catalogue import changelog
from schemas.clustering.points import PointsClustered, PointsObserved
from schemas.clustering.topics import CLUSTERED, OBSERVED
from schemas.codec import Codec
from schemas.position import Position
from topologies.intake import take_in
from topologies.snapshots import unpack

Place = tuple[int, int]
"""(partition, offset) of points.observed.v1"""


class Reference:
    """`states`: snapshot bytes by state key; `labels` and `refusals` by place. Of streams that begin with `prefix`."""

    def __init__(self, kafka: KafkaSettings, codec: Codec, clock: Clock, prefix: str) -> None:
        step = Cluster(Meter("reference", clock), clock)
        live: dict[tuple[int, str], tuple[StreamState, int]] = {}
        self.labels: dict[Place, list[int]] = {}
        self.refusals: dict[Place, str] = {}
        self.points = 0
        for record in stretch(kafka, OBSERVED.name):
            key = (record.key or b"").decode("utf-8", "replace")
            if not key.startswith(prefix):
                continue
            raw = Raw(record.position, record.timestamp * 1000, record.key, record.value, record.headers)
            received = take_in(raw, codec, PointsObserved)
            place = record.partition, record.offset
            if isinstance(received, Refuse):
                self.refusals[place] = received.reason
                continue
            state, _ = live.get((record.partition, key), (step.restore(None), -1))
            outcome = step.apply(received, state)
            live[record.partition, key] = state, record.offset
            if isinstance(outcome, Refuse):
                self.refusals[place] = outcome.reason
            elif isinstance(outcome, Emit):
                for emission in outcome.emissions:
                    if isinstance(emission.event, PointsClustered):
                        self.labels[place] = emission.event.labels
                        self.points += len(emission.event.labels)
        self.states = {
            b"%d/%s" % (partition, key.encode()): (applied, step.snapshot(state))
            for (partition, key), (state, applied) in live.items()
        }


def stored_states(kafka: KafkaSettings, prefix: str) -> Mapping[bytes, tuple[int, bytes]]:
    """What the changelog alone gives back: of each key the snapshot with the greatest applied offset."""
    states: dict[bytes, tuple[int, bytes]] = {}
    for record in stretch(kafka, changelog(OBSERVED)):
        key = record.key or b""
        if not key.split(b"/", 1)[1].startswith(prefix.encode()) or record.value is None:
            continue
        applied, body = unpack(record.value)
        if key not in states or applied >= states[key][0]:
            states[key] = applied, body
    return states


def delivered(kafka: KafkaSettings, codec: Codec, prefix: str) -> tuple[dict[Place, list[int]], int]:
    """Labels by source place, and how many records were delivered more than once. Fails where two deliveries of the
    same source differ: outputs must be a function of the input's position."""
    labels: dict[Place, list[int]] = {}
    repeats = 0
    for record in stretch(kafka, CLUSTERED.name):
        if not (record.key or b"").startswith(prefix.encode()):
            continue
        event = codec.decode(record.value or b"", PointsClustered)
        place = event.source_partition, event.source_offset
        assert record.partition == event.source_partition
        if place in labels:
            repeats += 1
            assert labels[place] == event.labels, f"two different answers to {Position(OBSERVED.name, *place)}"
        labels[place] = event.labels
    return labels, repeats
