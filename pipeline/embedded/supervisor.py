"""Runs the parts: each started when what it waits for is ready, all stopped in order, tier by tier."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pipeline.clock import now
from pipeline.embedded import runstate
from pipeline.embedded.events import AllReady, Event
from pipeline.embedded.keeper import BackOff, Keeper
from pipeline.embedded.logs import PartLog
from pipeline.embedded.parts import Part
from pipeline.embedded.runstate import RunState
from pipeline.lifeline import Lifeline

LOGS = "logs"
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Supervisor:
    """One run over one data directory, which the caller holds (`runstate.sole_run`).

    `run` must be awaited on the main thread; SIGINT, SIGTERM and SIGHUP then stop the parts in order, a second one
    kills them. `tell` is called from the loop and must not block.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        data_dir: Path,
        environment: Mapping[str, str],
        tell: Callable[[Event], None],
        back_off: BackOff | None = None,
    ) -> None:
        self._data_dir = data_dir
        self._tell = tell
        self._lifeline = Lifeline()
        self._logs = [PartLog(data_dir / LOGS, part.name) for part in parts]
        self._stop = asyncio.Event()
        self._keepers = {
            part.name: Keeper(
                part,
                {**environment, **self._lifeline.environment()},
                self._lifeline.pass_fds,
                log,
                tell,
                self._write_state,
                back_off or BackOff(),
            )
            for part, log in zip(parts, self._logs, strict=True)
        }
        self._run = RunState(os.getpid(), now(), [keeper.state for keeper in self._keepers.values()])

    def stop(self) -> None:
        """The first call stops the parts in order; another, while they stop, kills them."""
        if self._stop.is_set():
            for keeper in self._keepers.values():
                keeper.kill()
        self._stop.set()

    async def run(self) -> None:
        """Returns when it was told to stop and everything has ended."""
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, self.stop)
        self._write_state()
        began = time.monotonic()
        tasks = [asyncio.create_task(self._keep(keeper)) for keeper in self._keepers.values()]
        announcer = asyncio.create_task(self._announce(began))
        try:
            await self._stopped_or_failed(tasks)
        finally:
            announcer.cancel()
            await self._stop_in_order()
            await asyncio.gather(*tasks, announcer, return_exceptions=True)
            self._write_state()
            self._lifeline.close()
            for log in self._logs:
                log.close()
            for number in _SIGNALS:
                loop.remove_signal_handler(number)

    async def _keep(self, keeper: Keeper) -> None:
        for name in keeper.part.after:
            await self._keepers[name].ready.wait()
        await keeper.keep()

    async def _announce(self, began: float) -> None:
        for keeper in self._keepers.values():
            await keeper.ready.wait()
        self._tell(AllReady(time.monotonic() - began))

    async def _stopped_or_failed(self, tasks: Sequence[asyncio.Task[None]]) -> None:
        """A keeper ends only when its part is done or stopped; an exception out of one is ours, and is raised."""
        told = asyncio.create_task(self._stop.wait())
        pending: set[asyncio.Task[None]] = set(tasks)
        while pending and not self._stop.is_set():
            done, _ = await asyncio.wait([told, *pending], return_when=asyncio.FIRST_COMPLETED)
            for task in pending & done:
                task.result()
            pending -= done
        await told

    async def _stop_in_order(self) -> None:
        self._stop.set()
        latest_first = sorted(self._keepers.values(), key=lambda keeper: -keeper.part.tier)
        for _, tier in itertools.groupby(latest_first, key=lambda keeper: keeper.part.tier):
            await asyncio.gather(*(keeper.stop() for keeper in tier))

    def _write_state(self) -> None:
        runstate.write(self._data_dir, self._run)
