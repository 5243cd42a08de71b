"""How fast one may be read."""

from __future__ import annotations


class Pace:
    """A token bucket of `rate` a second and as much in reserve. Times are in seconds of one clock."""

    def __init__(self, rate: float, now: float) -> None:
        self._rate, self._tokens, self._at = rate, rate, now

    def wait(self, now: float) -> float:
        """Takes one token and returns for how long to wait before taking the next."""
        self._tokens = min(self._rate, self._tokens + (now - self._at) * self._rate) - 1
        self._at = now
        return max(0.0, -self._tokens / self._rate)
