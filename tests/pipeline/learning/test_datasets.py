"""The data sets are what River itself yields."""

from __future__ import annotations

import pytest
from river import datasets

from pipeline.learning.datasets import load


@pytest.mark.parametrize(
    ("name", "shape", "classes", "theirs"),
    [("segments", (2310, 18), 7, datasets.ImageSegments), ("shuttle", (49_097, 9), 2, datasets.Shuttle)],
)
def test_a_data_set_is_the_one_river_yields(name: str, shape: tuple[int, int], classes: int, theirs: type) -> None:
    ours = load(name)
    assert ours.points.shape == shape
    assert len(ours.classes) == classes
    for row, (features, label) in zip(range(len(ours.points)), theirs(), strict=True):
        assert ours.points[row].tolist() == [features[column] for column in ours.columns]
        assert ours.classes[ours.truth[row]] == str(label)
