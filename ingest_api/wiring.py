"""What the door is connected to: made at the entry, handed to the application, opened and closed by it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from starlette.requests import HTTPConnection

from ingest_api.limits import Limiter
from ingest_api.principal import Accounts
from ingest_api.probes import Probe, Probes
from ingest_api.settings import ApiSettings
from pipeline.clock import Clock, now
from schemas.registry import Registry, checked_in


class Part(Protocol):
    """Something that must run while the door is open."""

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


def wire(
    settings: ApiSettings,
    accounts: Accounts,
    parts: tuple[Part, ...] = (),
    probes: tuple[Probe, ...] = (),
    clock: Clock = now,
) -> Wiring:
    """The wiring of a process with these settings."""
    return Wiring(
        settings=settings,
        accounts=accounts,
        limiter=Limiter(clock, settings.rate_limits),
        probes=Probes(probes, clock),
        clock=clock,
        parts=parts,
    )


def wiring_of(connection: HTTPConnection) -> Wiring:
    """The wiring of the application that serves this connection."""
    wiring: Wiring = connection.app.state.wiring
    return wiring
