"""River's clusterers, their small grids, and how they are run: point by point, learned and then labelled."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from river import cluster

Points = NDArray[np.float64]
Labels = NDArray[np.int64]
Make = Callable[[], Any]
NAMES = ("DBSTREAM", "CluStream", "KMeans", "STREAMKMeans")
NOBODY = -1


def grid(name: str, k: int, spread: float, dimension: int) -> Mapping[str, Make]:
    """A few settings of the method of that name, by a word for each.

    The k-means family is told the true number of groups `k` and the `spread` (deviation) of the stream. DBSTREAM's
    radius is a part of the stream's rms distance from its mean; at its own fading it forgets a group that is not seen
    for some dozen points, so a slower one is tried as well.
    """
    own: dict[str, Any] = {"sigma": spread, "seed": 0}
    width = spread * dimension**0.5
    settings: dict[str, dict[str, Any]] = {
        "DBSTREAM": {
            f"{part:g} of the spread, fading {f:g}": {"clustering_threshold": part * width, "fading_factor": f}
            for part, f in ((0.15, 0.01), (0.3, 0.01), (0.5, 0.01), (0.3, 0.0005), (0.5, 0.0005))
        },
        "KMeans": {f"halflife {h}": {"n_clusters": k, "halflife": h, **own} for h in (0.02, 0.1, 0.4)},
        "CluStream": {
            f"{m} micro-clusters": {"n_macro_clusters": k, "max_micro_clusters": m, **own}
            for m in (max(50, k), max(100, k))
        },
        "STREAMKMeans": {
            f"chunks of {c}": {"n_clusters": k, "chunk_size": c, "halflife": 0.1, **own} for c in (10 * k, 25 * k)
        },
    }
    made: Any = getattr(cluster, name)
    return {word: partial(made, **chosen) for word, chosen in settings[name].items()}


def told(model: Any, points: Points, seconds: float) -> tuple[Labels, float]:
    """(m,) the labels of the first m points, as many as fit in `seconds` of CPU time, each given right after it was
    learned, and how many a second that were. -1 while the method has no centres yet (some raise then)."""
    labels: list[int] = []
    rows = [dict(enumerate(row)) for row in points.tolist()]
    started = time.thread_time()
    for x in rows:
        model.learn_one(x)
        labels.append(int(model.predict_one(x)) if len(model.centers) else NOBODY)
        if time.thread_time() - started > seconds:
            break
    return np.array(labels, np.int64), len(labels) / (time.thread_time() - started)


def best_of(settings: Mapping[str, Make], score: Callable[[Make], float]) -> str:
    """The word for the setting that scores best."""
    scores = dict(_scored(settings, score))
    return max(scores, key=lambda word: scores[word])


def _scored(settings: Mapping[str, Make], score: Callable[[Make], float]) -> Iterator[tuple[str, float]]:
    for word, make in settings.items():
        yield word, score(make)
