"""What can go wrong with the machinery, whose fault it is, and whether trying again can help.

    Failure
    ├── Misconfigured      the operator's: a setting is wrong; never retried
    ├── Unavailable        a part does not answer now; may be retried
    │   ├── LogUnavailable
    │   └── WarehouseUnavailable
    ├── Overloaded         bounded resources are used up; may be retried, later
    └── Broken             ours: an invariant does not hold; the process must end rather than go on

Data that cannot be used is not here: it is a value (`pipeline.outcome.Refuse`).
"""

from __future__ import annotations

from typing import ClassVar


class Failure(Exception):
    """`str(failure)` is one sentence an operator can act on; it holds no secret."""

    retryable: ClassVar[bool] = False
    fault: ClassVar[str] = "ours"


class Misconfigured(Failure):
    fault = "operator"


class Unavailable(Failure):
    retryable = True
    fault = "environment"


class LogUnavailable(Unavailable):
    """Kafka did not take or give a record in time."""


class WarehouseUnavailable(Unavailable):
    """ClickHouse did not answer, or refused for a reason that may pass."""


class Overloaded(Failure):
    """`retry_after` is the number of seconds after which another try makes sense."""

    retryable = True
    fault = "load"

    def __init__(self, message: str, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Broken(Failure):
    """What should be impossible has happened: end the process, let the supervisor start it anew."""
