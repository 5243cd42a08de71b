"""One process: the Faust apps of its domains side by side, on one event loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, cast

import faust
from faust.types import ServiceT

from pipeline.forgeries import Forgeries
from pipeline.heartbeat import EVERY_SECONDS
from topologies.app import create_app
from topologies.domain import Domain
from topologies.readiness import is_ready
from topologies.settings import WorkerSettings
from topologies.site import Site, die
from topologies.vitals import Vitals

log = logging.getLogger(__name__)
LOOK_SECONDS = 0.02


class Apps(faust.Service):
    """Starts all at once and stops all at once: none waits until another has recovered its states. A crash of one ends
    the process, which is started again."""

    def __init__(self, apps: Sequence[faust.App], vitals: Vitals, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.apps, self._vitals = apps, vitals

    async def on_start(self) -> None:
        for app in self.apps:
            app.beacon.reattach(self.beacon)  # by the beacons a crash finds its way to the worker
            app.in_worker = True
            self.add_future(app.maybe_start())
        self.add_future(self._vitals.run())

    async def on_stop(self) -> None:
        await self._vitals.end()
        ends = await asyncio.gather(*(app.stop() for app in self.apps), return_exceptions=True)
        for app, end in zip(self.apps, ends, strict=True):
            if isinstance(end, BaseException):
                log.error("%s did not stop well: %r", app.conf.id, end)


class Worker(faust.Worker):
    """`beat` is told every second whether all domains do their work; `ready` is called once, when they first do."""

    def __init__(self, apps: Apps, beat: Callable[[bool], None], ready: Callable[[], None]) -> None:
        super().__init__(apps.apps[0], loglevel="INFO", override_logging=False, quiet=True)
        self._apps, self._beat, self._ready = apps, beat, ready
        self.spinner = None  # it draws on a terminal; a supervisor would take its strokes for the worker's last words

    def on_init_dependencies(self) -> Iterable[ServiceT]:
        self.add_future(self._beats())
        self.add_future(self._until_ready())
        return [cast("ServiceT", self._apps)]

    async def _beats(self) -> None:
        while not self.should_stop:
            self._beat(all(map(is_ready, self._apps.apps)))
            await asyncio.sleep(EVERY_SECONDS)

    async def _until_ready(self) -> None:
        while not all(map(is_ready, self._apps.apps)):  # noqa: ASYNC110  (Faust tells of none of these by an event)
            await asyncio.sleep(LOOK_SECONDS)
        self._ready()


def create_apps(settings: WorkerSettings, domains: Sequence[Domain]) -> Apps:
    """Not started."""
    forgeries = Forgeries()
    sites = [
        Site(settings, die=partial(die, domain=domain.name), forgeries=forgeries, domain=domain.name)
        for domain in domains
    ]
    apps = [create_app(settings, domain, site) for domain, site in zip(domains, sites, strict=True)]
    return Apps(apps, Vitals(apps, sites))
