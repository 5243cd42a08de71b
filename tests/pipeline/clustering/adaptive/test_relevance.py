"""Dimensions that are mere noise are found out, and others are let be."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import adjusted_rand_score

from pipeline.clustering.adaptive.model import AdaptiveLearner
from pipeline.clustering.adaptive.relevance import explained, k_means, relevance, weigh, weighed_dimension
from pipeline.learning import streams


def standardised(stream: streams.Stream, rows: int = 128) -> NDArray[np.float64]:
    points = stream.points[:rows]
    return np.asarray(np.clip((points - points.mean(0)) / points.std(0), -4.0, 4.0))


@pytest.mark.parametrize("seed", range(6))
def test_noise_dimensions_count_for_nothing_and_the_others_for_all(seed: int) -> None:
    weight = relevance(standardised(streams.diluted(seed)))
    assert weight.mean() == pytest.approx(1.0)
    assert weight[:5].sum() / weight.sum() > 0.98
    assert weighed_dimension(weight) <= 5.0


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("dimension", "k"), [(10, 2), (10, 3), (20, 12), (10, 60), (50, 2)])
def test_where_all_dimensions_matter_all_count_alike(seed: int, dimension: int, k: int) -> None:
    assert (relevance(standardised(streams.blobs(seed, n=500, dimension=dimension, k=k))) == 1.0).all()


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("dimension", [1, 3, 4, 10, 50])
def test_no_groups_are_read_into_a_single_one(seed: int, dimension: int) -> None:
    assert (relevance(standardised(streams.unimodal(seed, n=500, dimension=dimension))) == 1.0).all()


@pytest.mark.parametrize("seed", range(3))
def test_groups_drowned_in_noise_are_told_apart(seed: int) -> None:
    stream = streams.diluted(seed, n=6000)
    learner = AdaptiveLearner(20)
    labels = np.concatenate([learner.learn(stream.points[a : a + 500]).labels for a in range(0, 6000, 500)])
    assert adjusted_rand_score(stream.truth[4000:], labels[4000:]) > 0.75  # 0 when all dimensions count alike


def test_the_part_explained_is_one_less_the_variance_within() -> None:
    sample = standardised(streams.blobs(1, dimension=3))
    labels = k_means(sample, np.ones(3), 6)
    within = np.zeros(3)
    for c in np.unique(labels):
        within += ((sample[labels == c] - sample[labels == c].mean(0)) ** 2).sum(0)
    assert explained(sample, labels) == pytest.approx(1 - within / ((sample - sample.mean(0)) ** 2).sum(0))


def test_constant_dimensions_do_not_upset_the_weights() -> None:
    sample = np.zeros((128, 6))
    sample[:, 0] = np.repeat([-1.0, 1.0], 64)
    assert np.isfinite(weigh(sample)).all()
    assert np.isfinite(relevance(sample)).all()
    assert np.isfinite(relevance(np.zeros((128, 6)))).all()
