"""How fast is a stream learned? Points a second, learned and labelled, on one core, beside River in the same run.

    python -m bench.learner [--quick] [--json FILE]

A stream has k groups of deviation 1 in D dimensions, six apart where there is room; each row says how many of them
the learner holds (it reads their width off 128 points, and takes many neighbours in few dimensions for one). The
adaptive learner has learned 10,000 points before the clock starts and takes the rest in batches of 1,000, once
compiled (numba) and once as it stands (numpy). River's methods take them one by one with `learn_one` and
`predict_one`, after 1,000, for a second; they are told k and the spread, and use the setting of their small grid that
agreed best with the truth on another stream. Time is the thread's CPU time on both sides, since the machine is shared;
the learner's is the best of three turns.

Bandwidth: a point must be compared with k centroids of D numbers. The time that takes at least is that of one sum over
a matrix of k x D float64 that has just been read (so it comes from the cache it fits in), by compiled code, the
quickest of 200 such sums. The ratio is that time over the learner's for a whole point, everything included: 1 is as
fast as the centroids can be streamed, and more is possible because most centroids need not be read to their end.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np
from numba import njit
from numpy.typing import NDArray
from sklearn.metrics import adjusted_rand_score

from bench.material import peers
from bench.sheet import Row, finish, parser
from pipeline.clustering.adaptive.engine import warm
from pipeline.clustering.adaptive.model import AdaptiveLearner, AdaptiveSettings
from pipeline.learning.streams import Stream, blobs

Points = NDArray[np.float64]
BATCH = 1000
TURNS = 3
DIMENSIONS = (3, 20, 100, 1000)
GOALS = {"DBSTREAM": 100.0, "CluStream": 100.0, "KMeans": 50.0}
"""Times as fast, up to 20 dimensions; KMeans and CluStream with 30 groups, DBSTREAM always."""


@njit(fastmath=True)
def _sum(matrix: Points) -> float:
    total = 0.0
    flat = matrix.reshape(matrix.size)
    for i in range(flat.size):
        total += flat[i]
    return total


def streaming_time(rows: int, dimension: int) -> float:
    """Seconds that one reading of a (rows, dimension) matrix takes at least."""
    matrix = np.random.default_rng(1).normal(size=(rows, dimension))
    return min(_timed(partial(_sum, matrix), time.perf_counter) for _ in range(200))


def _timed(work: Callable[[], object], clock: Callable[[], float] = time.thread_time) -> float:
    started = clock()
    work()
    return clock() - started


def stream_of(seed: int, dimension: int, k: int, n: int) -> Stream:
    """Wide enough that all k groups stand apart."""
    return blobs(seed, n=n, dimension=dimension, k=k, wide=5.0 * max(1.0, (k / 15.0) ** (1.0 / dimension)), apart=6.0)


def learner_of(dimension: int, k: int, engine: str, begin: Points) -> AdaptiveLearner:
    model = AdaptiveLearner(dimension, AdaptiveSettings(max_clusters=k, engine=engine))
    for start in range(0, len(begin), BATCH):
        model.learn(begin[start : start + BATCH])
    return model


def rate(model: AdaptiveLearner, points: Points, size: int = BATCH) -> float:
    """Points a second, the best of some turns, each of which goes on where the last one ended."""

    def turn() -> None:
        for start in range(0, len(points), size):
            model.learn(points[start : start + size])

    return len(points) / min(_timed(turn) for _ in range(TURNS))


def beside(k: int, dimension: int, seconds: float) -> Iterator[tuple[str, float, str]]:
    """(name, points a second, setting) of River's methods."""
    tuning, stream = (stream_of(seed, dimension, k, 4000) for seed in (2, 1))
    spread = float(tuning.points.std(axis=0).mean())
    for name in peers.NAMES:
        settings = peers.grid(name, k, spread, dimension)

        def score(make: peers.Make) -> float:
            labels, _ = peers.told(make(), tuning.points[:1500], seconds)
            return float(adjusted_rand_score(tuning.truth[: len(labels)], labels))

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # River divides by what may be zero
            word = peers.best_of(settings, score)
            model = settings[word]()
            peers.told(model, stream.points[:1000], seconds)
            yield name, peers.told(model, stream.points[1000:], seconds)[1], word


def speed_rows(dimension: int, k: int, seconds: float) -> Iterator[Row]:
    place = f"D={dimension} k={k}"
    n = int(np.clip(4_000_000 // dimension, 4_000, 40_000))
    points = stream_of(1, dimension, k, 10_000 + n).points
    begin, rest = points[:10_000], points[10_000:]
    model = learner_of(dimension, k, "numba", begin)
    compiled = rate(model, rest)
    yield Row(f"{place}: compiled, {len(model.clusters())} clusters", compiled, "points/s")
    if dimension == DIMENSIONS[-1]:
        least = streaming_time(k, dimension)
        ratio, beside_that = least * compiled, f"one reading of the centroids: {least * 1e6:.1f} µs"
        yield Row(f"{place}: a point", 1e6 / compiled, "µs", beside_that, ratio, "≥ 0.67", ratio >= 1 / 1.5)
    for name, other, word in beside(k, dimension, seconds):
        goal = GOALS.get(name) if dimension <= 20 and (name == "DBSTREAM" or k == 30) else None
        ratio = compiled / other
        about = f"River {name} ({word}): {other:,.0f}/s"
        row = Row(f"{place}: beside {name}", compiled, "points/s", about, ratio)
        yield row if goal is None else replace(row, goal=f"≥ {goal:.0f}", reached=ratio >= goal)
    plain = rate(learner_of(dimension, k, "numpy", begin[:1000]), rest[:1000])
    yield Row(f"{place}: interpreted (numpy)", plain, "points/s", "compiled", plain / compiled)
    alone = rate(model, rest[:500], size=1)
    yield Row(f"{place}: one point a call", 1e6 / alone, "µs a call", "in batches of 1,000", alone / compiled)
    yield from snapshot_rows(place, model)


def snapshot_rows(place: str, model: AdaptiveLearner) -> Iterator[Row]:
    kept = model.snapshot()
    yield Row(f"{place}: snapshot", len(kept) / 1024, "KiB")
    for what, work in (("taken", model.snapshot), ("restored", partial(AdaptiveLearner.restore, kept))):
        yield Row(f"{place}: snapshot {what}", min(_timed(work) for _ in range(20)) * 1e6, "µs")


def measured(arguments: argparse.Namespace) -> list[Row]:
    _sum(np.zeros((1, 1)))
    rows = []
    for dimension in DIMENSIONS[:: 3 if arguments.quick else 1]:
        for k in (30,) if arguments.quick else (30, 100):
            for row in speed_rows(dimension, k, 0.3 if arguments.quick else 1.0):
                print(
                    f"{row.what:45s} {row.value:>12,.1f} {row.unit:10s} {row.beside or ''} {row.ratio or ''}",
                    flush=True,
                )
                rows.append(row)
    return rows


def main() -> None:
    arguments = parser(__doc__ or "").parse_args()
    warm()
    finish("The learner: learned and labelled on one core", measured(arguments), arguments)


if __name__ == "__main__":
    main()
