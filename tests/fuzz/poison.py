"""Records of points.observed.v1 that strangers could write straight to the log, and what must become of each."""

from __future__ import annotations

import struct
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from aiokafka.partitioner import murmur2
from hypothesis import strategies as st

from schemas.clustering.limits import MAX_DIMENSION, MAX_METADATA_BYTES, MAX_POINTS
from schemas.clustering.points import Action, ClusteringConfig, PointsObserved
from schemas.codec import Codec
from schemas.exchange import PART_HEADER, REPLAYED_FROM_HEADER, REPLY_PARTITION_HEADER, REQUEST_ID_HEADER
from tests.doubles.batch import Header
from tests.schemas.samples import SAMPLES
from topologies.intake import MAX_VALUE

CODEC = Codec()
DIMENSION = 2
USED = "used"
ANYTHING: frozenset[str] = frozenset()
"""A changed bit may leave a record good: it is used or refused, but not both and not twice."""


@dataclass(frozen=True)
class Draught:
    """A record and its lawful fates: `USED`, or reasons of a dead letter. `aside` is how many partitions it lies off
    the one its key belongs to."""

    key: bytes | None
    value: bytes | None
    fates: frozenset[str]
    headers: Sequence[Header] = ()
    aside: int = 0

    def partition(self, partitions: int) -> int:
        place = murmur2(self.key) & 0x7FFFFFFF if self.key is not None else 0
        return int(place + self.aside) % partitions


def good(stream: str, points: int = 1) -> PointsObserved:
    return PointsObserved(stream, 1, DIMENSION, np.arange(DIMENSION * points, dtype=np.float64))


def of(event: PointsObserved, *fates: str) -> Draught:
    return Draught(event.stream.encode(), CODEC.encode(event), frozenset(fates))


def _new() -> str:
    return f"f{uuid.uuid4().hex[:12]}"


def _events(stream: str) -> list[Draught]:
    """Well-formed records that no stream can use, at and beyond every bound."""
    event = good(stream)

    def wrong(reason: str, **changed: Any) -> Draught:
        return of(replace(event, **changed), reason)

    def sized(dimension: int, count: int) -> dict[str, Any]:
        return {"dimension": dimension, "values": np.zeros(count)}

    return [
        *(wrong("values_not_finite", values=np.array([1.0, odd])) for odd in (np.nan, np.inf, -np.inf)),
        *(wrong("dimension_invalid", **sized(dimension, 2)) for dimension in (0, -1, -(2**31), MAX_DIMENSION + 1)),
        wrong("dimension_invalid", **sized(MAX_DIMENSION + 1, MAX_DIMENSION + 1)),
        wrong("dimension_mismatch", **sized(1, 2)),
        wrong("dimension_mismatch", **sized(MAX_DIMENSION, MAX_DIMENSION)),
        wrong("values_ragged", values=np.zeros(3)),
        wrong("values_ragged", values=np.zeros(0)),
        wrong("too_many_points", **sized(DIMENSION, DIMENSION * (MAX_POINTS + 1))),
        *(wrong("values_unexpected", action=action) for action in (Action.RESET, Action.DELETE)),
        *(wrong("batch_id_invalid", batch_id=label) for label in ("", "x" * 257, "x" * 1_000_000)),
        wrong("metadata_too_large", metadata={"k": "v" * MAX_METADATA_BYTES}),
        wrong("metadata_too_large", metadata={f"k{n}": "" for n in range(20_000)}),
        *(wrong("config_invalid", config=ClusteringConfig(threshold=odd)) for odd in (0.0, 2.0, np.nan, np.inf, -1.0)),
        *(wrong("config_invalid", config=ClusteringConfig(max_clusters=odd)) for odd in (0, -1, 101, 2**31 - 1)),
        *(wrong("config_invalid", config=ClusteringConfig(learning_rate=odd)) for odd in (0.0, np.nan, 1e308)),
        wrong("algorithm_conflict", config=ClusteringConfig("river.KMeans")),
        wrong("algorithm_conflict", config=ClusteringConfig("x" * 1_000_000)),
        wrong("algorithm_conflict", config=ClusteringConfig(parameters={"half_life": 200.0})),
        wrong(USED, source="s" * 100_000),
        wrong(USED, observed_at=2**63 - 1),
        wrong(USED, observed_at=-(2**63)),
        wrong(USED, values=np.array([1.7e308, -1.7e308])),
        wrong(USED, values=np.array([5e-324, -0.0])),
    ]


def _elsewhere(stream: str) -> list[Draught]:
    """Records that lie where their key does not belong, or whose key is not their stream."""
    fine = of(good(stream), USED)
    return [
        *(replace(fine, aside=aside, fates=frozenset({"partition_wrong"})) for aside in (1, 2, 3)),
        *(replace(fine, key=key, fates=frozenset({"key_mismatch"})) for key in (None, b"", b"\xff\xfe", b"k" * 5000)),
        replace(fine, key=fine.key and fine.key + b"\0", fates=frozenset({"key_mismatch"})),
        *(
            of(good(name), "stream_invalid")
            for name in ("", "no good", "é", "x" * 129, "x" * 1_000_000, "a\0b", "a\n", ".", "..")
        ),
    ]


def _frames(stream: str) -> list[Draught]:
    """Values that are no record of this topic."""
    key, fine = stream.encode(), CODEC.encode(good(stream))

    def wrong(value: bytes | None, *reasons: str) -> Draught:
        return Draught(key, value, frozenset(reasons))

    foreign = [sample for sample in SAMPLES if not isinstance(sample, PointsObserved)]
    return [
        wrong(None, "value_missing"),
        *(wrong(value, "frame_invalid") for value in (b"", b"\0", b"\0\0\0\0", b"{}", b"\1" + fine[1:])),
        *(wrong(struct.pack(">bI", 0, number) + fine[5:], "schema_unknown") for number in (0, 10_000, 2**32 - 1)),
        wrong(fine[1:], "schema_unknown"),
        *(wrong(CODEC.encode(sample), "schema_foreign") for sample in foreign),
        wrong(struct.pack(">bI", 0, 2) + fine[5:], "schema_foreign"),
        *(wrong(fine + more, "avro_invalid") for more in (b"\0", fine)),
        wrong(bytes(MAX_VALUE + 1), "value_too_large"),
        wrong(bytes(3 * MAX_VALUE), "value_too_large"),
    ]


def _beginnings() -> list[Draught]:
    """First records of a stream, with configurations that cannot be, or can just be."""
    odd: list[tuple[str, dict[str, bool | int | float | str] | None]] = [
        ("magic", None),
        ("", None),
        ("river.KMeans", {"n_clusters": 10**9}),
        ("river.KMeans", {"n_clusters": float("nan")}),
        ("river.KMeans", {"seed": -(2**63)}),
        ("river.CluStream", {"max_micro_clusters": 2**62}),
        ("river.STREAMKMeans", {"chunk_size": "many"}),
        ("river.DenStream", {"epsilon": float("inf")}),
        ("river.DBSTREAM", {"clustering_threshold": -1.0}),
        ("river.DBSTREAM", {"x" * 100_000: 1}),
        ("adaptive", {"half_life": float("nan")}),
        ("adaptive", {"half_life": True}),
        ("adaptive", {"engine": "abacus"}),
        ("adaptive", {"engine": 7}),
        ("adaptive", {"__class__": 1}),
    ]
    refused = [of(replace(good(_new()), config=ClusteringConfig(*each)), "config_invalid") for each in odd]
    extreme: list[tuple[str, dict[str, bool | int | float | str]]] = [
        ("river.KMeans", {"n_clusters": 1000, "seed": 2**32 - 1}),
        ("river.CluStream", {"max_micro_clusters": 1000, "n_macro_clusters": 1000}),
        ("river.STREAMKMeans", {"chunk_size": 1, "n_clusters": 1}),
        ("river.DBSTREAM", {"clustering_threshold": 1e-9, "fading_factor": 1e-9}),
        ("adaptive", {"half_life": 100.0}),
    ]
    used = [of(replace(good(_new(), 3), config=ClusteringConfig(*each)), USED) for each in extreme]
    # A third party's learner may fail on its first points: said as such, and of no consequence to other streams.
    return [*refused, *(replace(each, fates=frozenset({USED, "config_invalid", "learner_failed"})) for each in used)]


HEADERS: st.SearchStrategy[Sequence[Header]] = st.lists(
    st.tuples(
        st.binary(max_size=6)
        | st.sampled_from(
            [name.encode() for name in (PART_HEADER, REPLAYED_FROM_HEADER, REPLY_PARTITION_HEADER, REQUEST_ID_HEADER)]
        ),
        st.none()
        | st.binary(max_size=10)
        | st.sampled_from([b"0", b"7", b"-1", b"99999", b"9" * 5000, "²".encode(), b"req_" + b"0" * 24]),
    ),
    max_size=5,
)


@st.composite
def damaged(draw: st.DrawFn, stream: str) -> Draught:
    """A good record cut, or with a bit changed, or any bytes behind a true schema id."""
    fine = CODEC.encode(good(stream, draw(st.integers(1, 3))))
    how = draw(st.sampled_from(["cut", "flip", "noise"]))
    if how == "cut":
        return Draught(stream.encode(), fine[: draw(st.integers(5, len(fine) - 1))], frozenset({"avro_invalid"}))
    if how == "noise":
        fates = frozenset({"avro_invalid", "key_mismatch"})
        return Draught(stream.encode(), fine[:5] + draw(st.binary(max_size=60)), fates)
    bit = draw(st.integers(0, 8 * len(fine) - 1))
    flipped = bytearray(fine)
    flipped[bit // 8] ^= 1 << bit % 8
    return Draught(stream.encode(), bytes(flipped), ANYTHING)


@st.composite
def crowded(draw: st.DrawFn, stream: str) -> list[Draught]:
    """Many records of one key and one size, which a worker takes as one, with some among them that are spoiled."""
    crowd = [of(good(stream), USED)] * draw(st.integers(8, 20))
    fine = CODEC.encode(good(stream))
    other = CODEC.encode(good(stream[:-1] + "_"))
    spoiled = [
        Draught(stream.encode(), CODEC.encode(replace(good(stream), values=np.array([0.0, np.nan]))),
                frozenset({"values_not_finite"})),
        Draught(stream.encode(), other, frozenset({"key_mismatch"})),
        Draught(stream.encode(), fine[:-1] + b"\1", frozenset({"avro_invalid"})),
        Draught(stream.encode(), fine[:4] + b"\2" + fine[5:], frozenset({"schema_foreign"})),
    ]  # fmt: skip
    for at in draw(st.lists(st.integers(0, len(crowd) - 1), max_size=4, unique=True)):
        crowd[at] = draw(st.sampled_from(spoiled))
    return crowd


_SORTS: dict[str, Callable[[str], list[Draught]]] = {
    "good": lambda stream: [of(good(stream), USED)],
    "event": _events,
    "elsewhere": _elsewhere,
    "frame": _frames,
    "beginning": lambda _: _beginnings(),
}


@st.composite
def rounds(draw: st.DrawFn, streams: Sequence[str]) -> list[Draught]:
    """What is sent at a time, in this order: every kind of poison over the rounds, and good records between."""
    made: list[Draught] = []
    for _ in range(draw(st.integers(1, 12))):
        stream = draw(st.sampled_from(streams))
        kind = draw(st.sampled_from([*_SORTS, "damaged", "crowd"]))
        if kind == "crowd":
            made += draw(crowded(stream))
        elif kind == "damaged":
            made += draw(st.lists(damaged(stream), min_size=1, max_size=5))
        else:
            choice = _SORTS[kind](stream)
            made.append(draw(st.sampled_from(range(len(choice))).map(choice.__getitem__)))
        if draw(st.booleans()):
            made[-1] = replace(made[-1], headers=draw(HEADERS))
    return made


def every(streams: Sequence[str]) -> list[Draught]:
    """Each fixed kind of poison once, a good record behind each."""
    made = []
    sorts = [*_events(streams[0]), *_elsewhere(streams[1]), *_frames(streams[2]), *_beginnings()]
    for number, draught in enumerate(sorts):
        made += [draught, of(good(streams[number % len(streams)]), USED)]
    return made
