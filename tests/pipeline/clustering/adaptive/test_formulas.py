"""Each formula against values worked out by hand, or against a library that knows it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.stats import chi2
from sklearn.metrics import silhouette_score

from pipeline.clustering.adaptive import figures
from pipeline.clustering.adaptive.assign import promotion_weight
from pipeline.clustering.adaptive.distance import squared_distance, track
from pipeline.clustering.adaptive.linkage import best_cut, pairwise
from pipeline.clustering.adaptive.model import AdaptiveLearner, AdaptiveSettings
from pipeline.clustering.adaptive.radius import natural_radius, tail
from pipeline.clustering.adaptive.scale import renew_precision
from pipeline.clustering.adaptive.search import effective_threshold, reach_of, slack_of
from pipeline.clustering.adaptive.state import Scale, empty
from pipeline.clustering.adaptive.structure import effective_dimension, lower_quartile, spread_and_gap
from pipeline.learning import streams

unit = st.floats(0.0, 1.0)
positive = st.floats(1e-6, 1e6)


def test_the_threshold_of_071_means_within_the_natural_radius() -> None:
    assert reach_of(1.0, 1.0 / math.sqrt(2.0)) == pytest.approx(1.0)
    assert reach_of(0.5, 0.71) == pytest.approx(0.25 * (1 / 0.71**2 - 1))
    assert reach_of(2.0, 1.0) == pytest.approx(4e-12)


def test_the_eased_threshold_never_falls_below_a_tenth() -> None:
    assert effective_threshold(0.71, 0.7) == pytest.approx(0.497)
    assert effective_threshold(0.1, 0.7) == 0.1


def test_a_cluster_needs_two_members_and_a_tenth_of_an_even_share() -> None:
    assert promotion_weight(10.0, 30) == 2.0
    assert promotion_weight(7200.0, 30) == pytest.approx(24.0)


def test_the_variance_of_an_exponentially_weighted_mean() -> None:
    rng = np.random.default_rng(1)
    means = np.zeros(20_000)
    for _ in range(200):
        means += 0.2 * (rng.normal(size=20_000) - means)
    assert means.var() == pytest.approx(slack_of(0.2), rel=0.05)


@pytest.mark.parametrize("dimension", [1, 3, 10, 100, 1000])
def test_the_tail_is_the_99th_percentile_of_chi_square(dimension: int) -> None:
    assert tail(float(dimension)) == pytest.approx(math.sqrt(chi2.ppf(0.99, dimension) / dimension), rel=0.01)


def test_distance_is_in_deviations_whatever_the_units() -> None:
    state = empty(3, 1)
    state.scale.mean[:], state.scale.variance[:] = [1e4, 5.0, 0.0], [1e6, 4.0, 1e-4]
    state.totals["points"] = 1000
    renew_precision(state)
    x = state.scale.mean + np.sqrt(state.scale.variance) * [2.0, -2.0, 2.0]
    assert squared_distance(x, state.scale.mean, state.scale.precision) == pytest.approx(4.0, rel=1e-2)


def test_running_moments_are_the_moments_while_the_rate_is_one_over_n() -> None:
    points = np.random.default_rng(2).normal(3.0, 2.0, (500, 4))
    scale = Scale(np.zeros(4), np.zeros(4), np.ones(4), np.ones(4))
    for t, x in enumerate(points, start=1):
        track(x, scale, 1.0 / t, 1e300)
    assert scale.mean == pytest.approx(points.mean(0))
    assert scale.variance == pytest.approx(points.var(0))


def test_one_wild_point_moves_the_scale_by_four_deviations_at_most() -> None:
    scale = Scale(np.zeros(2), np.ones(2), np.ones(2), np.ones(2))
    track(np.array([1e9, -1e9]), scale, 0.01, 4.0)
    assert scale.mean == pytest.approx([0.04, -0.04])
    assert scale.variance == pytest.approx(0.99 * (1 + 0.01 * 16))


@pytest.mark.parametrize("seed", range(5))
def test_the_cut_is_the_one_with_the_greatest_silhouette_on_scipys_tree(seed: int) -> None:
    sample = streams.blobs(seed, n=90, dimension=3, k=2 + seed).points
    squares = pairwise(sample)
    score, groups, k = best_cut(squares)
    tree = linkage(sample / math.sqrt(3.0), "average")
    ours = -1.0
    for count in range(2, 31):
        labels = fcluster(tree, count, "maxclust")
        big = np.isin(labels, np.flatnonzero(np.bincount(labels) >= 3))
        if len(set(labels[big])) > 1:
            shares = silhouette_score(sample[big] / math.sqrt(3.0), labels[big]) * big.sum() / 90
            ours = max(ours, float(shares))
    assert score >= ours - 1e-9
    assert k == groups.max() + 1
    assert score == pytest.approx(ours, abs=0.02)


def test_spread_and_gap_are_those_of_the_groups() -> None:
    rng = np.random.default_rng(3)
    sample = np.vstack([rng.normal(0.0, 1.0, (60, 4)), rng.normal(10.0, 1.0, (60, 4))])
    groups = np.repeat([0, 1], 60)
    sigma, gap = spread_and_gap(pairwise(sample), groups, 2)
    within = sum(((sample[groups == c] - sample[groups == c].mean(0)) ** 2).sum() for c in (0, 1))
    assert sigma == pytest.approx(math.sqrt(within / 4 / 118))
    apart = sample[:60].mean(0) - sample[60:].mean(0)
    assert gap == pytest.approx(math.sqrt((apart**2).mean()))


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=30))
def test_the_lower_quartile_is_the_sorted_value_a_quarter_in(values: list[float]) -> None:
    assert lower_quartile(np.array(values)) == sorted(values)[len(values) // 4]


def test_the_effective_dimension_counts_the_directions_that_vary() -> None:
    rng = np.random.default_rng(4)
    plane = rng.normal(size=(128, 2)) @ rng.normal(size=(2, 50))
    assert 1.0 <= effective_dimension(pairwise(plane), 50) < 3.0
    assert effective_dimension(pairwise(rng.normal(size=(128, 10))), 10) > 7.5


def test_one_gaussian_has_no_structure_and_takes_all_its_points() -> None:
    sample = np.random.default_rng(5).normal(size=(128, 6))
    found = natural_radius(sample, float(sample.shape[1]))
    assert found.radius == pytest.approx(1.5 * tail(found.effective_dimension))


def test_groups_set_the_radius_to_their_own_width() -> None:
    data = streams.blobs(6, n=128, dimension=10, k=4).points
    sample = (data - data.mean(0)) / data.std(0)
    found = natural_radius(sample, float(sample.shape[1]))
    sigma = float(np.mean(1.0 / data.std(0) ** 2)) ** 0.5
    assert tail(10.0) * sigma * 0.8 < found.radius <= min(1.0, 1.6 * tail(10.0) * sigma)


def test_quality_is_1_for_a_point_far_from_others_and_0_for_a_cluster_as_wide_as_the_stream() -> None:
    assert figures.quality(0.0, 1.0) == 1.0
    assert figures.quality(1.0, 100.0) == 0.0
    assert figures.quality(0.25, 0.75) == pytest.approx(math.sqrt(0.5 * 0.75))


@given(dispersion=positive, nearest=positive)
def test_quality_lies_between_0_and_1_and_falls_with_width(dispersion: float, nearest: float) -> None:
    value = figures.quality(dispersion, nearest)
    assert 0.0 <= value <= 1.0
    assert figures.quality(dispersion * 1.1, nearest) <= value + 1e-12


def test_the_drift_coefficient_ignores_what_sampling_explains() -> None:
    noise = 0.04 * slack_of(0.05)
    assert figures.drift_coefficient(2 * noise, 0.04, 1000.0, 0.5, 0.05) == 0.0
    assert figures.drift_coefficient(2 * noise + 0.01, 0.04, 1000.0, 0.5, 0.05) == pytest.approx(0.2)
    assert figures.drift_coefficient(9.0, 0.04, 1000.0, 0.5, 0.05) == 1.0


def test_confidence_grows_with_weight_and_falls_with_drift() -> None:
    assert figures.confidence(8.0, 0.0) == 0.5
    assert figures.confidence(72.0, 0.5) == pytest.approx(0.45)


@pytest.mark.parametrize(
    ("quality", "drift", "idle", "told"),
    [
        (0.9, 0.0, 0.0, "healthy"),
        (0.5, 0.29, 0.5, "healthy"),
        (0.49, 0.0, 0.0, "warning"),
        (0.9, 0.3, 0.0, "warning"),
        (0.9, 0.0, 0.51, "warning"),
        (0.24, 0.0, 0.0, "critical"),
        (0.9, 0.6, 0.0, "critical"),
        (0.9, 0.0, 1.01, "critical"),
    ],
)
def test_health_is_the_worst_of_its_signs(quality: float, drift: float, idle: float, told: str) -> None:
    assert figures.health(quality, drift, idle) == told


def test_the_dynamic_threshold_is_the_similarity_of_a_point_at_the_edge() -> None:
    learner = AdaptiveLearner(2, AdaptiveSettings(engine="numpy"))
    learner.learn(streams.blobs(7, n=1000, dimension=2).points)
    threshold = learner.status().dynamic_threshold
    grid = np.stack(np.meshgrid(np.linspace(-20, 20, 80), np.linspace(-20, 20, 80)), -1).reshape(-1, 2)
    judged = learner.judge(grid)
    assert threshold is not None
    assert judged.similarities[judged.labels > 0].min() >= threshold - 0.02
    assert judged.similarities[judged.labels < 0].max() <= threshold


def test_a_half_life_halves_a_weight() -> None:
    learner = AdaptiveLearner(1, AdaptiveSettings(half_life=100, engine="numpy"))
    learner.learn(np.zeros((200, 1)))
    before = learner.clusters()[0]
    learner.learn(np.full((100, 1), 1e3))
    after = next(c for c in learner.clusters() if c.cluster_id == before.cluster_id)
    assert after.weight == pytest.approx(before.weight / 2, rel=1e-6)
    assert after.size == before.size


def test_a_moving_cluster_has_a_greater_drift_coefficient_than_a_resting_one() -> None:
    stream = streams.drifting(8, n=6000, dimension=5, k=2, travel=40.0)
    still = streams.blobs(8, n=6000, dimension=5, k=2)
    told = []
    for data in (stream, still):
        learner = AdaptiveLearner(5)
        learner.learn(data.points)
        told.append(np.mean([c.drift_coefficient or 0.0 for c in learner.clusters()]))
    assert told[0] > told[1] + 0.05
