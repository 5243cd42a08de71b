"""Agreement with true labels, beside scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score

from pipeline.learning.agreement import adjusted_rand, purity

pairs = st.lists(st.tuples(st.integers(0, 4), st.integers(-1, 4)), min_size=1, max_size=60)


@given(pairs)
def test_the_adjusted_rand_index_is_that_of_scikit_learn(both: list[tuple[int, int]]) -> None:
    truth, labels = (np.array(side, np.int64) for side in zip(*both, strict=True))
    assert adjusted_rand(truth, labels) == pytest.approx(adjusted_rand_score(truth, labels))


def test_purity_is_the_share_of_each_clusters_largest_class() -> None:
    truth = np.array([0, 0, 0, 1, 1, 2], np.int64)
    assert purity(truth, np.array([5, 5, 5, 5, 9, 9], np.int64)) == pytest.approx(4 / 6)
    assert purity(truth, truth) == 1.0
    assert purity(truth, np.zeros(6, np.int64)) == 0.5


def test_nothing_has_no_purity() -> None:
    assert purity(np.empty(0, np.int64), np.empty(0, np.int64)) == 0.0
