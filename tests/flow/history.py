"""The truth of a log: what the states and outputs must be, computed by one undisturbed reader in one go."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from pipeline.clock import Clock
from pipeline.clustering import tell
from pipeline.clustering.cluster import Cluster
from pipeline.clustering.state import StreamState
from pipeline.kafka.browse import stretch
from pipeline.outcome import Drop, Emit, Outcome, Refuse
from pipeline.received import Raw
from pipeline.settings import KafkaSettings
from pipeline.telemetry import Meter
from schemas.catalogue import changelog
from schemas.clustering.clusters import ClustersUpdated, DriftDetected
from schemas.clustering.points import OutliersDetected, PointsAnswered, PointsClustered, PointsObserved
from schemas.clustering.topics import CLUSTERED, OBSERVED
from schemas.codec import Codec
from schemas.position import Position
from topologies.framing import unpack
from topologies.intake import take_in

Place = tuple[int, int]
"""(partition, offset) of points.observed.v1"""


class Reference:
    """Of streams that begin with `prefix`, by place of the input: `clustered`, `outliers`, `answers`, `refusals` (the
    reason), `duplicates`; `drifts` by place and ordinal; `states`: (applied offset, snapshot) by state key; `last`:
    the place of the last usable record of each stream. `updates` holds what there is to tell of a stream at the places
    of `asked`."""

    def __init__(
        self, kafka: KafkaSettings, codec: Codec, clock: Clock, prefix: str, asked: Collection[Place] = ()
    ) -> None:
        self._codec, self._asked, self._meter = codec, asked, Meter("reference", clock)
        self._step = Cluster(self._meter, clock)
        self._live: dict[tuple[int, str], tuple[StreamState, int]] = {}
        self.clustered: dict[Place, PointsClustered] = {}
        self.outliers: dict[Place, OutliersDetected] = {}
        self.drifts: dict[tuple[Place, int], DriftDetected] = {}
        self.answers: dict[Place, PointsAnswered] = {}
        self.refusals: dict[Place, str] = {}
        self.duplicates: set[Place] = set()
        self.updates: dict[Place, ClustersUpdated] = {}
        self.last: dict[str, Place] = {}
        for record in stretch(kafka, OBSERVED.name):
            if (record.key or b"").decode("utf-8", "replace").startswith(prefix):
                self._take(Raw(record.position, record.timestamp * 1000, record.key, record.value, record.headers))
        self.states = {
            b"%d/%s" % (partition, key.encode()): (applied, self._step.snapshot(state))
            for (partition, key), (state, applied) in self._live.items()
        }

    @property
    def labels(self) -> dict[Place, list[int]]:
        return {place: event.labels for place, event in self.clustered.items()}

    @property
    def points(self) -> int:
        return sum(len(event.labels) for event in self.clustered.values())

    def _take(self, raw: Raw) -> None:
        place = raw.position.partition, raw.position.offset
        received = take_in(raw, self._codec, PointsObserved)
        if isinstance(received, Refuse):
            self.refusals[place] = received.reason
            return
        key = place[0], received.event.stream
        state, _ = self._live.get(key, (self._step.restore(None), -1))
        existed = state.exists
        self._note(place, self._step.apply(received, state))
        if existed or state.exists:
            self._live[key] = state, place[1]
        self.last[received.event.stream] = place
        if place in self._asked and state.exists:
            self.updates[place] = tell.updated(state, self._meter, 0)

    def _note(self, place: Place, outcome: Outcome) -> None:
        if isinstance(outcome, Refuse):
            self.refusals[place] = outcome.reason
        elif isinstance(outcome, Drop):
            self.duplicates.add(place)
        if isinstance(outcome, Emit | Drop) and isinstance(outcome.answer, PointsAnswered):
            self.answers[place] = outcome.answer
        for emission in outcome.emissions if isinstance(outcome, Emit) else ():
            match emission.event:
                case PointsClustered() as event:
                    self.clustered[place] = event
                case OutliersDetected() as event:
                    self.outliers[place] = event
                case DriftDetected() as event:
                    self.drifts[place, event.ordinal] = event


def stored_states(kafka: KafkaSettings, prefix: str) -> Mapping[bytes, tuple[int, bytes]]:
    """What the changelog alone gives back: of each key the snapshot with the greatest applied offset. Fails where two
    snapshots of the same offset differ: a state must be a function of the log."""
    states: dict[bytes, tuple[int, bytes]] = {}
    for record in stretch(kafka, changelog(OBSERVED)):
        key = record.key or b""
        if not key.split(b"/", 1)[1].startswith(prefix.encode()) or record.value is None:
            continue
        applied, body = unpack(record.value)
        held = states.get(key)
        if held is not None and held[0] == applied:
            assert held[1] == body, f"two different states of {key!r} at {applied}"
        if held is None or applied >= held[0]:
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
