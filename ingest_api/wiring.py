"""What the API is connected to: made at the entry, handed to the application, opened and closed by it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from starlette.requests import HTTPConnection

from ingest_api.limits import Limiter, Limits
from ingest_api.principal import Accounts
from ingest_api.probes import Probe, Probes
from ingest_api.problems import Busy
from ingest_api.settings import ApiSettings
from pipeline.clock import Clock, now
from schemas.registry import Registry, checked_in

C = TypeVar("C")


class Part(Protocol):
    """Something that must run while the API serves."""

    @property
    def name(self) -> str: ...

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


@dataclass(frozen=True)
class Wiring:
    """Everything a route may use. `parts` are started in order before the first request is taken and stopped in
    the reverse order after the last."""

    settings: ApiSettings
    accounts: Accounts
    limiter: Limiter
    probes: Probes
    clock: Clock = now
    registry: Registry = field(default_factory=checked_in)
    parts: tuple[Part, ...] = ()
    notes: Callable[[], Sequence[str]] = tuple
    """What /health says beside how the parts are."""
    _by_type: Mapping[type, Any] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_type: dict[type, Any] = {}
        for part in self.parts:
            for kind in type(part).__mro__:
                by_type.setdefault(kind, part)
        object.__setattr__(self, "_by_type", by_type)

    def part(self, kind: type[C]) -> C | None:
        """The first part of this type; None where there is none."""
        found: C | None = self._by_type.get(kind)
        return found


def wire(
    settings: ApiSettings,
    accounts: Accounts,
    parts: tuple[Part, ...] = (),
    probes: tuple[Probe, ...] = (),
    clock: Clock = now,
    *,
    limits: Limits,
) -> Wiring:
    """The wiring of a process with these settings."""
    return Wiring(
        settings=settings,
        accounts=accounts,
        limiter=Limiter(limits, clock, settings.rate_limits),
        probes=Probes(probes, clock),
        clock=clock,
        parts=parts,
    )


def wiring_of(connection: HTTPConnection) -> Wiring:
    """The wiring of the application that serves this connection."""
    wiring: Wiring = connection.app.state.wiring
    return wiring


def context_of(connection: HTTPConnection, kind: type[C], name: str) -> C:
    """What the routes of a domain work with, by its type. `name` is what is said to be missing. Raises Busy where the
    application that serves this connection has none."""
    found = wiring_of(connection).part(kind)
    if found is None:
        raise Busy(f"This server has no {name}", 60.0)
    return found
