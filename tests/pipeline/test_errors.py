"""Every failure says whose fault it is and whether trying again can help."""

from __future__ import annotations

import pytest

from pipeline.errors import Broken, Failure, LogUnavailable, Misconfigured, Overloaded, WarehouseUnavailable


@pytest.mark.parametrize(
    ("failure", "retryable", "fault"),
    [
        (Misconfigured("x"), False, "operator"),
        (LogUnavailable("x"), True, "environment"),
        (WarehouseUnavailable("x"), True, "environment"),
        (Overloaded("x"), True, "load"),
        (Broken("x"), False, "ours"),
    ],
    ids=lambda it: type(it).__name__ if isinstance(it, Failure) else str(it),
)
def test_whose_fault_and_whether_to_try_again(failure: Failure, retryable: bool, fault: str) -> None:
    assert (failure.retryable, failure.fault, str(failure)) == (retryable, fault, "x")


def test_an_overload_says_when_to_come_back() -> None:
    assert (Overloaded("x").retry_after, Overloaded("x", 5).retry_after) == (1.0, 5)
