"""Clusters found anew are recognised."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from pipeline.clustering.peers.naming import recognise


def test_clusters_listed_in_another_order_keep_their_names() -> None:
    named = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    assert recognise(named[[2, 0, 1]] + 0.1, named) == [2, 0, 1]


def test_a_new_place_is_a_new_cluster() -> None:
    assert recognise(np.array([[0.0], [10.0], [50.0]]), np.array([[0.0], [10.0]])) == [0, 1, -1]


def test_a_cluster_does_not_inherit_the_name_of_one_that_died_far_away() -> None:
    assert recognise(np.array([[0.0], [16.0]]), np.array([[0.0], [10.0]])) == [0, -1]


def test_of_two_halves_of_a_split_cluster_the_nearer_keeps_the_name() -> None:
    assert recognise(np.array([[1.0], [-2.0]]), np.array([[0.0], [100.0]])) == [0, -1]


def test_nothing_is_recognised_where_there_is_nothing() -> None:
    assert recognise(np.zeros((0, 2)), np.zeros((3, 2))) == []
    assert recognise(np.zeros((2, 2)), np.zeros((0, 2))) == [-1, -1]


@given(
    arrays(np.float64, st.tuples(st.integers(1, 8), st.just(2)), elements=st.floats(-1e70, 1e70)),
    arrays(np.float64, st.tuples(st.integers(1, 8), st.just(2)), elements=st.floats(-1e70, 1e70)),
)
def test_no_name_is_given_twice(centers: NDArray[np.float64], named: NDArray[np.float64]) -> None:
    given_names = [name for name in recognise(centers, named) if name >= 0]
    assert len(given_names) == len(set(given_names))
