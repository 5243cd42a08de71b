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
    """Asks several parts at once; what one said holds for `fresh` seconds, and only one caller asks it at a time."""

    def __init__(self, probes: Sequence[Probe], clock: Clock, patience: float = 1.0, fresh: float = 2.0) -> None:
        self._asked = tuple(_Asked(probe, clock, patience, round(fresh * _SECOND)) for probe in probes)

    async def findings(self) -> Findings:
        """Of all parts."""
        return await self._findings(self._asked)

    async def ready(self) -> bool:
        """Whether this process can take requests. Asks the essential parts alone: a balancer that asks every second
        must not lean on the others."""
        return (await self._findings([asked for asked in self._asked if asked.probe.essential])).ready

    async def _findings(self, asked: Sequence[_Asked]) -> Findings:
        answers = await asyncio.gather(*(each.answer() for each in asked))
        components = {each.probe.name: answer for each, answer in zip(asked, answers, strict=True)}
        ready = not any(each.probe.essential and components[each.probe.name] is Health.UNHEALTHY for each in asked)
        return Findings(components, ready)


class _Asked:
    """A probe, and what it said last."""

    def __init__(self, probe: Probe, clock: Clock, patience: float, fresh: int) -> None:
        self.probe = probe
        self._clock, self._patience, self._fresh = clock, patience, fresh
        self._lock = asyncio.Lock()
        self._said: tuple[int, Health] | None = None

    async def answer(self) -> Health:
        async with self._lock:
            if self._said is None or self._clock() - self._said[0] > self._fresh:
                self._said = (self._clock(), await self._ask())
            return self._said[1]

    async def _ask(self) -> Health:
        try:
            async with asyncio.timeout(self._patience):
                return Health(await self.probe.check())
        except TimeoutError:
            _LOG.warning("%s did not answer its probe within %g s", self.probe.name, self._patience)
        except Exception as error:
            _LOG.warning("the probe of %s failed: %s", self.probe.name, error)
        return Health.UNHEALTHY
