"""What is alike within a second is counted, not repeated: a flood must not become as many records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from schemas.accounts.traces import ActionAudited, Verdict

OVERFLOW = "overflow"
"""Actor and action of the record that counts what no longer fits."""
_MOST_ALIKE = 2**31 - 1


class Deed(NamedTuple):
    """What makes two actions alike. `status` is that of HTTP, `missing` the permission that was lacking."""

    actor: str
    action: str
    status: int
    target: str | None = None
    reason: str | None = None
    missing: str | None = None
    address: str | None = None

    @property
    def verdict(self) -> Verdict:
        return Verdict.ACCEPTED if self.status < 400 else Verdict.REFUSED


@dataclass(slots=True)
class _Times:
    first_at: int
    request_id: str | None
    count: int = 1


class Tally:
    """Counts deeds until they are taken. Holds at most `most` different ones; of those beyond only their number."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: dict[Deed, _Times] = {}
        self._beyond: Counter[Verdict] = Counter()

    def __bool__(self) -> bool:
        return bool(self._held or self._beyond)

    def add(self, deed: Deed, at: int, request_id: str | None) -> None:
        times = self._held.get(deed)
        if times is not None:
            times.count += 1
        elif len(self._held) < self._most:
            self._held[deed] = _Times(at, request_id)
        else:
            self._beyond[deed.verdict] += 1

    def add_beyond(self, verdict: Verdict, count: int) -> None:
        """Some that were taken and got lost."""
        self._beyond[verdict] += count

    def take(self, now: int, callers: str) -> Iterator[ActionAudited]:
        """Everything counted, as records; begins anew. `callers` says in the overflow's details whose it is."""
        held, beyond = self._held, self._beyond
        self._held, self._beyond = {}, Counter()
        for deed, times in held.items():
            yield _record(deed, times)
        for verdict, count in beyond.items():
            yield _overflow(verdict, count, now, callers)


def _record(deed: Deed, times: _Times) -> ActionAudited:
    return ActionAudited(
        at=times.first_at,
        actor=deed.actor,
        action=deed.action,
        target=deed.target,
        verdict=deed.verdict,
        status=deed.status,
        reason=deed.reason,
        address=deed.address,
        request_id=times.request_id,
        count=min(times.count, _MOST_ALIKE),
        source_partition=None,
        source_offset=None,
        details={} if deed.missing is None else {"missing": deed.missing},
    )


def _overflow(verdict: Verdict, count: int, now: int, callers: str) -> ActionAudited:
    return ActionAudited(
        at=now,
        actor=OVERFLOW,
        action=OVERFLOW,
        target=None,
        verdict=verdict,
        status=None,
        reason=None,
        address=None,
        request_id=None,
        count=min(count, _MOST_ALIKE),
        source_partition=None,
        source_offset=None,
        details={"callers": callers},
    )
