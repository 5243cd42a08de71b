"""How fast and how well streams are learned: the adaptive learner beside River's clusterers, in one run.

    python bench/learner.py [--quick] [--json FILE]

Speed is points learned and labelled a second on one core: the adaptive learner in batches of 1,000, River's by
`learn_one` and `predict_one` of each point. Quality is the mean adjusted Rand index over windows of 1,000 points, each
point labelled when it comes; River's methods are told the number, width and spread of the groups. Drift counts the
abrupt changes seen within 500 points, and alarms where nothing changed.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from river import cluster
from sklearn.metrics import adjusted_rand_score

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pipeline.clustering.adaptive.engine import warm
from pipeline.clustering.adaptive.model import AdaptiveLearner, AdaptiveSettings
from pipeline.learning import streams

BATCH = 1000
ENOUGH = 1.0
"""Seconds after which a River method has shown its speed."""


def peers(k: int, dimension: int) -> dict[str, Callable[[], Any]]:
    """River's methods told what they cannot find out: the number of groups, their width (1) and spread (5)."""
    own: dict[str, Any] = {"halflife": 0.1, "sigma": 5, "seed": 0}
    return {
        "DBSTREAM": lambda: cluster.DBSTREAM(clustering_threshold=1.2 * dimension**0.5),
        f"CluStream({k})": lambda: cluster.CluStream(n_macro_clusters=k, max_micro_clusters=max(100, k), **own),
        f"KMeans({k})": lambda: cluster.KMeans(n_clusters=k, **own),
        f"STREAMKMeans({k})": lambda: cluster.STREAMKMeans(n_clusters=k, chunk_size=10 * k, **own),
    }


def learned(stream: streams.Stream, settings: AdaptiveSettings) -> tuple[AdaptiveLearner, NDArray[np.int64], list[int]]:
    """The learner after the stream, each point's label, and the numbers of the points at which drift was seen."""
    learner = AdaptiveLearner(stream.points.shape[1], settings)
    labels, drifts = [], []
    for start in range(0, len(stream.points), BATCH):
        judgement = learner.learn(stream.points[start : start + BATCH])
        labels.append(judgement.labels)
        drifts += [drift.at for drift in judgement.drifts]
    return learner, np.concatenate(labels), drifts


def peer_labels(model: Any, points: NDArray[np.float64], seconds: float) -> tuple[list[int], float]:
    """Labels of as many points as fit in `seconds`, and the points a second."""
    labels: list[int] = []
    rows = [dict(enumerate(row)) for row in points.tolist()]
    started = time.perf_counter()
    for x in rows:
        model.learn_one(x)
        labels.append(_predicted(model, x))
        if time.perf_counter() - started > seconds:
            break
    return labels, len(labels) / (time.perf_counter() - started)


def _predicted(model: Any, x: dict[int, float]) -> int:
    if not getattr(model, "centers", {}):  # some have none before their first chunk, and raise
        return -1
    return int(model.predict_one(x))


def rate(learner: Callable[[], AdaptiveLearner], points: NDArray[np.float64]) -> tuple[float, float, AdaptiveLearner]:
    """(points a second in batches, microseconds of the median single-point call, the learner); best of three."""
    best = 0.0
    for _ in range(3):
        model = learner()
        started = time.perf_counter()
        for start in range(0, len(points), BATCH):
            model.learn(points[start : start + BATCH])
        best = max(best, len(points) / (time.perf_counter() - started))
    calls = []
    for row in points[:500]:
        started = time.perf_counter()
        model.learn(row[None, :])
        calls.append(time.perf_counter() - started)
    return best, float(np.median(calls)) * 1e6, model


def windowed_ari(truth: NDArray[np.int64], labels: NDArray[np.int64]) -> float:
    scores = []
    for start in range(0, len(labels) - BATCH + 1, BATCH):
        window = slice(start, start + BATCH)
        known = truth[window] >= 0
        scores.append(adjusted_rand_score(truth[window][known], labels[window][known]))
    return float(np.mean(scores))


def speed(quick: bool) -> list[dict[str, Any]]:
    rows = []
    dimensions = (3, 100) if quick else (3, 20, 100, 1000)
    for dimension in dimensions:
        for k in (30,) if quick else (30, 100):
            n = int(np.clip(10_000_000 / dimension / k, 4_000, 60_000))
            stream = streams.blobs(dimension + k, n=n, dimension=dimension, k=k)
            per_second, call, model = rate(
                lambda d=dimension, k=k: AdaptiveLearner(d, AdaptiveSettings(max_clusters=k)), stream.points
            )  # type: ignore[misc]
            plain, _, _ = rate(
                lambda d=dimension, k=k: AdaptiveLearner(d, AdaptiveSettings(max_clusters=k, engine="numpy")),
                stream.points[:2000],
            )  # type: ignore[misc]
            row = {
                "D": dimension, "k": k, "active": len(model.clusters()), "adaptive": per_second, "single call us": call,
                "numpy": plain, "snapshot KiB": len(model.snapshot()) / 1024,
            }  # fmt: skip
            for name, make in peers(k, dimension).items():
                _, peer = peer_labels(make(), stream.points, ENOUGH / 3 if quick else ENOUGH)
                row[name.split("(")[0]] = peer
            rows.append(row)
            show_speed(row)
    return rows


def show_speed(row: dict[str, Any]) -> None:
    versus = "  ".join(
        f"{name} {row[name]:>7,.0f}/s (x{row['adaptive'] / row[name]:,.0f})"
        for name in ("DBSTREAM", "CluStream", "KMeans", "STREAMKMeans")
    )
    print(
        f"D={row['D']:<5}k={row['k']:<4}active {row['active']:<4}{row['adaptive']:>9,.0f}/s"
        f"  call {row['single call us']:>4.0f} us  numpy {row['numpy']:>6,.0f}/s"
        f"  snapshot {row['snapshot KiB']:>5,.0f} KiB   {versus}",
        flush=True,
    )


def quality(quick: bool) -> list[dict[str, Any]]:
    chosen: dict[str, tuple[Callable[[], streams.Stream], int]] = {
        name: (make, 30) for name, make in streams.STRUCTURED.items()
    }
    chosen["5 of 20 dimensions"] = (lambda: streams.diluted(1), 30)
    for k in (30, 45, 60):
        chosen[f"blobs D=10 k={k}"] = (lambda k=k: streams.blobs(k, n=40_000, dimension=10, k=k), 100)  # type: ignore[misc]
    rows = []
    for name, (make, cap) in list(chosen.items())[:: 4 if quick else 1]:
        stream = make()
        _, labels, _ = learned(stream, AdaptiveSettings(max_clusters=cap))
        row: dict[str, Any] = {"stream": name, "adaptive": windowed_ari(stream.truth, labels)}
        if not quick and cap == 30:
            part = slice(0, 3000)
            groups = len(set(stream.truth[part].tolist()) - {streams.NOISE})
            for peer, model in peers(groups, stream.points.shape[1]).items():
                told, _ = peer_labels(model(), stream.points[part], 3.0)
                if len(told) >= BATCH:  # else it was too slow to tell
                    row[peer.split("(")[0]] = windowed_ari(stream.truth[: len(told)], np.array(told))
        rows.append(row)
        others = "  ".join(f"{key} {value:.2f}" for key, value in row.items() if key not in ("stream", "adaptive"))
        print(f"{name:20s} ARI {row['adaptive']:.3f}   {others}", flush=True)
    print(f"mean ARI {np.mean([row['adaptive'] for row in rows]):.3f}")
    for dimension in (3, 10, 50):
        single = streams.unimodal(dimension, dimension=dimension)
        labels = learned(single, AdaptiveSettings())[1][5000:]
        share = np.bincount(labels[labels > 0]).max() / len(labels)
        print(f"unimodal D={dimension}: {share:.3f} of the points in one cluster")
    return rows


def drift(quick: bool) -> dict[str, Any]:
    found, total, false, delays = 0, 0, 0, []
    for dimension, wide in ((3, 5.0), (3, 3.0), (10, 5.0), (50, 5.0)):
        for i, k in enumerate((3, 5) if quick else (3, 5, 8, 12, 5, 5)):
            apart = 5.0 if wide == 5.0 else 3.0
            stream = streams.abrupt(100 * dimension + i, dimension=dimension, k=k, wide=wide, apart=apart)
            seen = learned(stream, AdaptiveSettings())[2]
            for change in stream.changes:
                near = [at for at in seen if change <= at < change + 500]
                total += 1
                found += bool(near)
                delays += [at - change for at in near[:1]]
                seen = [at for at in seen if at not in near]
            false += len(seen)
    steady = 0
    for seed in range(1 if quick else 4):
        for make in (streams.blobs, streams.drifting, streams.unimodal, streams.collinear):
            for dimension in (3, 10, 50):
                steady += len(learned(make(seed, dimension=dimension), AdaptiveSettings())[2])
    print(
        f"abrupt changes seen {found} of {total}, median delay {np.median(delays):.0f} points, greatest {max(delays)}; "
        f"false alarms {false} there, {steady} on steady and slowly drifting streams"
    )
    return {"found": found, "of": total, "median delay": float(np.median(delays)), "false": false, "steady": steady}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer streams, about half a minute")
    parser.add_argument("--json", type=Path, help="write the figures there too")
    options = parser.parse_args()
    warm()
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n\nSpeed: learn and label")
    figures = {"speed": speed(options.quick)}
    print("\nQuality: windowed ARI")
    figures["quality"] = quality(options.quick)
    print("\nDrift")
    figures["drift"] = [drift(options.quick)]
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
