"""How well are streams learned? Agreement with the truth by windows, drift seen, one group left whole.

    python -m bench.quality [--quick] [--seed 7000] [--json FILE]

Agreement is the mean over windows of 1,000 points (a set smaller than that is one window) of the adjusted Rand index
(ARI) and of adjusted mutual information (AMI), each point labelled at the end of its batch of 100; points that are
noise by the truth are left out. Each row is the mean over streams made from seeds that no parameter was chosen on. The
learner has its default settings throughout (max_clusters 100 where there are more than 30 groups). River's methods
get what the learner must find out, the number of groups and the stream's spread, and are tuned over a small grid on a
stream of another seed; they and the learner are compared on the part of the stream that fits in their time.
"""

from __future__ import annotations

import argparse
import warnings
from collections import defaultdict
from collections.abc import Iterable
from functools import partial

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score

from bench.material import peers
from bench.material.cases import Case, foreign, many, real, structured
from bench.sheet import Row, finish, parser
from pipeline.clustering.adaptive.engine import warm
from pipeline.clustering.adaptive.model import AdaptiveLearner, AdaptiveSettings
from pipeline.learning import streams
from pipeline.learning.streams import NOISE, Stream

Labels = NDArray[np.int64]
BATCH = 100
WINDOW = 1000
SOON = 500
"""Points within which a change must be seen."""
PART = 3000
"""Points on which River's methods are compared."""
TUNING = 500_000
"""How far from the seeds told of those are that River's methods are tuned on."""
GOALS = {"structured": 0.80, "30-60 groups": 0.90}


def learned(stream: Stream, cap: int = 30) -> tuple[Labels, list[int]]:
    """Each point's label, and the numbers of the points at which a drift was seen."""
    learner = AdaptiveLearner(stream.points.shape[1], AdaptiveSettings(max_clusters=cap))
    labels, drifts = [], []
    for start in range(0, len(stream.points), BATCH):
        judgement = learner.learn(stream.points[start : start + BATCH])
        labels.append(judgement.labels)
        drifts += [drift.at for drift in judgement.drifts]
    return np.concatenate(labels), drifts


def agreement(truth: Labels, labels: Labels) -> tuple[float, float]:
    """(ARI, AMI), the mean over full windows."""
    size = min(WINDOW, len(labels))
    scores = []
    for start in range(0, len(labels) - size + 1, size):
        true, said = truth[start : start + size], labels[start : start + size]
        known = true != NOISE
        pair = true[known], said[known]
        scores.append((adjusted_rand_score(*pair), adjusted_mutual_info_score(*pair)))
    ari, ami = np.mean(scores, axis=0)
    return float(ari), float(ami)


def peer_score(make: peers.Make, stream: Stream, seconds: float) -> float:
    """ARI on as many of the first PART points as fit in the time; -1 where not even a third did."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # River divides by what may be zero
        labels, _ = peers.told(make(), stream.points[:PART], seconds)
    enough = len(labels) >= min(PART, len(stream.points)) / 3
    return agreement(stream.truth[: len(labels)], labels)[0] if enough else -1.0


def beside(case: Case, stream: Stream, seed: int, seconds: float) -> dict[str, float]:
    """ARI of each of River's methods, tuned on another seed; those too slow to tell are left out."""
    other = case.make(seed + TUNING)
    k = len(set(other.truth[:PART].tolist()) - {NOISE})
    spread, dimension = float(other.points[:PART].std(axis=0).mean()), other.points.shape[1]
    found = {}
    for name in peers.NAMES:
        settings = peers.grid(name, k, spread, dimension)
        word = peers.best_of(settings, partial(peer_score, stream=other, seconds=seconds))
        score = peer_score(settings[word], stream, seconds)
        if score > -1.0:
            found[name] = score
    return found


def case_rows(cases: Iterable[Case], seeds: range, seconds: float) -> tuple[list[Row], dict[str, list[float]]]:
    """A row for each case, and the ARIs of each family's streams."""
    rows, by_family = [], defaultdict(list)
    for case in cases:
        scores = []
        for seed in seeds:
            stream = case.make(seed)
            scores.append(agreement(stream.truth, learned(stream, case.cap)[0]))
            by_family[case.family].append(scores[-1][0])
        ari, ami = np.mean(scores, axis=0)
        row = Row(f"{case.name} (AMI {ami:.2f}, worst ARI {min(scores)[0]:.2f})", float(ari), "ARI")
        rows.append(_compared(row, case, seeds[0], seconds) if seconds else row)
        print(f"{rows[-1].what:60s} {rows[-1].value:.3f}  {rows[-1].beside or ''}", flush=True)
    return rows, by_family


def _compared(row: Row, case: Case, seed: int, seconds: float) -> Row:
    stream = case.make(seed)
    own = agreement(stream.truth[:PART], learned(stream, case.cap)[0][:PART])[0]
    others = beside(case, stream, seed, seconds)
    said = ", ".join(f"{name} {score:.2f}" for name, score in others.items())
    best = max([score for score in others.values() if score > 0.0], default=None)
    return Row(row.what, row.value, row.unit, f"{said}; here {own:.2f}", own / best if best else None)


def drift_rows(seed: int, quick: bool) -> list[Row]:
    """Abrupt changes seen within SOON points, by dimension, and alarms where nothing changed abruptly."""
    rows, total, seen_all, false = [], 0, 0, 0
    for dimension in (3, 10, 50):
        changes = seen = 0
        for i, k in enumerate((3, 5, 8, 12, 5, 5)[:: 3 if quick else 1]):
            stream = streams.abrupt(seed + 10 * dimension + i, dimension=dimension, k=k)
            alarms = learned(stream)[1]
            near = [[at for at in alarms if change <= at < change + SOON] for change in stream.changes]
            changes, seen = changes + len(near), seen + sum(bool(found) for found in near)
            false += len(alarms) - sum(len(found) > 0 for found in near)
        goal, least = (f"≥ {16 * changes // 18}", 16 * changes // 18) if dimension == 3 else (None, 0)
        reached = None if goal is None else seen >= least
        what = f"abrupt changes seen, D={dimension}, of {changes}"
        rows.append(Row(what, seen, "changes", goal=goal, reached=reached))
        total, seen_all = total + changes, seen_all + seen
    least = 50 * total // 54
    rows.append(
        Row(f"abrupt changes seen, of {total}", seen_all, "changes", goal=f"≥ {least}", reached=seen_all >= least)
    )
    rows.append(Row("false or repeated alarms on those streams", false, "alarms", goal="0", reached=false == 0))
    steady = [
        len(learned(make(seed + i, dimension=dimension))[1])
        for i in range(1 if quick else 3)
        for make in (streams.blobs, streams.drifting, streams.unimodal, streams.collinear)
        for dimension in (3, 10, 50)
    ]
    what = f"alarms on {len(steady)} steady or slowly drifting streams"
    return [*rows, Row(what, sum(steady), "alarms", goal="0", reached=sum(steady) == 0)]


def unimodal_row(seeds: range) -> Row:
    """Of a stream that is one group, the share of points in the largest cluster, after the first quarter."""
    shares = []
    for dimension in (2, 3, 10, 50):
        for seed in seeds:
            late = learned(streams.unimodal(seed, dimension=dimension))[0][5000:]
            shares.append(np.bincount(late[late > 0]).max() / len(late))
    value = float(np.mean(shares))
    return Row(f"one group, purity (worst {min(shares):.2f})", value, "share", goal="≥ 0.95", reached=value >= 0.95)


def summary(name: str, scores: list[float]) -> Row:
    value = float(np.mean(scores))
    goal = GOALS[name]
    what = f"mean of {len(scores)} streams: {name} (worst {min(scores):.2f})"
    return Row(what, value, "ARI", goal=f"≥ {goal:.2f}", reached=value >= goal)


def measured(arguments: argparse.Namespace) -> list[Row]:
    seeds = range(arguments.seed, arguments.seed + (1 if arguments.quick else arguments.streams))
    seconds = 0.0 if arguments.quick else arguments.seconds
    thin = slice(None, None, 4 if arguments.quick else 1)
    own, own_scores = case_rows(structured()[thin], seeds, seconds)
    crowds, crowd_scores = case_rows(many()[thin], seeds, seconds)
    others, _ = case_rows([*foreign(), *real()][thin], seeds, seconds)
    flat = [score for scores in own_scores.values() for score in scores]
    return [
        *own, summary("structured", flat), *crowds, summary("30-60 groups", crowd_scores["30-60 groups"]), *others,
        unimodal_row(seeds), *drift_rows(arguments.seed, arguments.quick),
    ]  # fmt: skip


def main() -> None:
    flags = parser(__doc__ or "")
    flags.add_argument("--seed", type=int, default=7000, help="the first seed")
    flags.add_argument("--streams", type=int, default=3, help="streams of each kind")
    flags.add_argument("--seconds", type=float, default=2.0, help="for one run of one of River's methods; 0: none")
    arguments = flags.parse_args()
    warm()
    finish("Clusters and drift: agreement with the truth", measured(arguments), arguments)


if __name__ == "__main__":
    main()
