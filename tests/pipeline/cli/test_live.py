"""What the terminal shows of a stream, from the events that tell of it."""

from __future__ import annotations

import numpy as np
from rich.console import Console

from pipeline.cli.live import SHOWN_CLUSTERS, Board, sparkline
from pipeline.cli.streaming import OUTLIER, labels_in


def cluster(number: int, size: int) -> dict[str, object]:
    figures = {"quality": 0.5, "confidence": 0.9, "health_status": "healthy", "drift_coefficient": 0.1}
    return {"cluster_id": number, "size": size, **figures}


def status(points: int, outliers: int, *numbers: int) -> dict[str, object]:
    return {"cluster_ids": list(numbers), "total_points_processed": points, "outliers_detected": outliers}


def drawn(board: Board) -> str:
    console = Console(width=120)
    with console.capture() as capture:
        console.print(board)
    return capture.get()


def board(seconds: float = 2.0) -> Board:
    times = iter([0.0])
    return Board("a title", 1000, lambda: next(times, seconds))


def test_the_line_tells_points_rate_clusters_outliers_and_drifts() -> None:
    it = board()
    it.take("cluster_update", cluster(1, 90))
    it.take("algorithm_status", status(100, 10, 1))
    it.take("drift_detection", {"at_point": 77, "severity": 0.8, "signal": "adwin"})
    assert it.line() == "  2.0 s  100 of 1,000 points, 50/s, 1 clusters, 10.0% outliers, 1 drifts"


def test_a_cluster_that_the_status_does_not_name_is_gone() -> None:
    it = board()
    it.take("cluster_update", cluster(1, 90))
    it.take("cluster_update", cluster(2, 10))
    it.take("algorithm_status", status(100, 0, 1))
    assert list(it.clusters) == [1]


def test_growth_is_what_a_cluster_won_between_two_statuses() -> None:
    it = board()
    for size in (10, 40, 40):
        it.take("cluster_update", cluster(1, size))
        it.take("algorithm_status", status(size, 0, 1))
    assert list(it.clusters[1].growth) == [10, 30, 0]
    assert sparkline([10, 30, 0]) == "▄█ "


def test_the_largest_clusters_are_drawn_and_the_rest_is_counted() -> None:
    it = board()
    for number in range(SHOWN_CLUSTERS + 2):
        it.take("cluster_update", cluster(number, 1000 + number))
    it.take("algorithm_status", status(1000, 0, *range(SHOWN_CLUSTERS + 2)))
    text = drawn(it)
    assert "1,016" in text
    assert "in 2 more" in text
    assert "2,001" in text


def test_what_the_log_says_cannot_steer_the_terminal() -> None:
    it = board()
    it.take("drift_detection", {"at_point": 1, "severity": 0.8, "signal": "\x1b]0;mine\x07"})
    assert "\x1b]0" not in drawn(it)


def test_labels_are_found_by_value_and_equal_points_by_order() -> None:
    points = np.array([[1.0, 2.0], [5.0, 5.0], [1.0, 2.0], [9.0, 0.1 + 0.2]])
    answer = {"clusters": [{"id": 3, "points": [[1.0, 2.0], [1.0, 2.0]]}, {"id": 8, "points": [[9.0, 0.1 + 0.2]]}]}
    assert labels_in(answer, points).tolist() == [3, OUTLIER, 3, 8]
