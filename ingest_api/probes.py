"""Whether the parts behind the door answer: asked with a short patience, and not by every caller anew."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pipeline.clock import Clock

_LOG = logging.getLogger("thalweg.api")
_SECOND = 1_000_000


class Health(StrEnum):
    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


@dataclass(frozen=True, slots=True)
class Probe:
    """One part and how to ask it. A check that raises, or takes too long, means unhealthy. Without an `essential`
    part this process cannot take requests at all (`/ready`)."""

    name: str
    check: Callable[[], Awaitable[Health]]
    essential: bool = False


@dataclass(frozen=True, slots=True)
class Findings:
    """What the probes said, by name; `ready` is false while an essential part is unhealthy."""

    components: dict[str, Health]
    ready: bool

    @property
    def status(self) -> Health:
        """The worst of all."""
        for level in (Health.UNHEALTHY, Health.DEGRADED):
            if level in self.components.values():
                return level
        return Health.HEALTHY


class Probes:
    """Asks all parts at once; the findings hold for `fresh` seconds, and only one caller asks at a time."""

    def __init__(self, probes: Sequence[Probe], clock: Clock, patience: float = 1.0, fresh: float = 2.0) -> None:
        self._probes, self._clock = tuple(probes), clock
        self._patience, self._fresh = patience, fresh
        self._lock = asyncio.Lock()
        self._found: tuple[int, Findings] | None = None

    async def findings(self) -> Findings:
        async with self._lock:
            if self._found is None or self._clock() - self._found[0] > self._fresh * _SECOND:
                self._found = (self._clock(), await self._ask())
            return self._found[1]

    async def _ask(self) -> Findings:
        answers = await asyncio.gather(*(self._answer(probe) for probe in self._probes))
        components = {probe.name: answer for probe, answer in zip(self._probes, answers, strict=True)}
        ready = not any(probe.essential and components[probe.name] is Health.UNHEALTHY for probe in self._probes)
        return Findings(components, ready)

    async def _answer(self, probe: Probe) -> Health:
        try:
            async with asyncio.timeout(self._patience):
                return Health(await probe.check())
        except TimeoutError:
            _LOG.warning("%s did not answer its probe within %g s", probe.name, self._patience)
        except Exception as error:
            _LOG.warning("the probe of %s failed: %s", probe.name, error)
        return Health.UNHEALTHY
