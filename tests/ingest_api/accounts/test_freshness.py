"""What is known of owners is known until the log was last read to its end."""

from __future__ import annotations

from collections.abc import Callable

from ingest_api.accounts.freshness import Freshness
from pipeline.errors import LogUnavailable


class Log:
    """One partition, of which a reader has read so far."""

    def __init__(self) -> None:
        self.end, self.read, self.away = 0, 0, False

    def where_it_ends(self) -> int:
        if self.away:
            raise LogUnavailable("its leader is away")
        return self.end

    async def read_to(self, offset: int, timeout: float) -> bool:
        return self.read >= offset


def freshness(log: Log, clock: Callable[[], int]) -> Freshness:
    return Freshness(log.where_it_ends, log.read_to, clock)


async def test_what_was_in_the_log_when_it_was_asked_is_known_once_it_is_read() -> None:
    log, times = Log(), iter((10, 20, 30))
    owners = freshness(log, lambda: next(times))
    await owners.confirm()
    assert owners.known() == 10
    log.end = 1
    await owners.confirm()
    assert owners.known() == 10, "a claim is there that was not read"
    log.read = 1
    await owners.confirm()
    assert owners.known() == 30


async def test_a_log_that_does_not_answer_leaves_it_as_it_was() -> None:
    log, times = Log(), iter((10, 20))
    owners = freshness(log, lambda: next(times))
    await owners.confirm()
    log.away = True
    await owners.confirm()
    assert owners.known() == 10
