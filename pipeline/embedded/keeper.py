"""Keeps one part alive: starts it, learns when it is ready, restarts it when it ends, stops it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from asyncio.subprocess import PIPE, STDOUT, Process
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pipeline.announce import FORGED, PROGRESS, READY
from pipeline.clock import now
from pipeline.embedded import leash
from pipeline.embedded.events import Crashed, Event, Progress, Ready, Starting, Stopped, Stopping
from pipeline.embedded.logs import PartLog
from pipeline.embedded.output import Lines, reason_of
from pipeline.embedded.parts import Part, environment_of
from pipeline.embedded.runstate import PartState, State

_PROBE_EVERY_S = 0.1
_DRAIN_S = 0.5
_LINES_REMEMBERED = 20
_CHUNK = 64 * 1024


@dataclass(frozen=True, slots=True)
class BackOff:
    """Seconds to wait before the restarts in a row: `first`, doubled each time, at most `cap`. A part that was
    ready for `healthy` seconds starts from the beginning."""

    first: float = 0.2
    cap: float = 30.0
    healthy: float = 60.0

    def delay(self, failures: int) -> float:
        return float(min(self.cap, self.first * 2 ** min(failures - 1, 16)))


class Keeper:
    """`state` is kept current; `tell` hears of each change; `changed` is called after one, to have it written down.

    Must run on the main thread's event loop: the kernel ties a child to the thread that forked it.
    """

    def __init__(
        self,
        part: Part,
        environment: Mapping[str, str],
        pass_fds: tuple[int, ...],
        log: PartLog,
        tell: Callable[[Event], None],
        changed: Callable[[], None],
        back_off: BackOff,
    ) -> None:
        self.part = part
        self.state = PartState(part.name, since=now())
        self.ready = asyncio.Event()
        self._environment = environment_of(part, environment)
        self._pass_fds = pass_fds
        self._log = log
        self._tell = tell
        self._changed = changed
        self._back_off = back_off
        self._stop = asyncio.Event()
        self._killed = False
        self._process: Process | None = None
        self._spawned = 0.0
        self._ready_since: float | None = None
        self._failures = 0
        self._recent: deque[str] = deque(maxlen=_LINES_REMEMBERED)

    async def keep(self) -> None:
        """Returns once the part is stopped, or, for a one-shot, done."""
        while not self._stop.is_set():
            process = await self._spawn()
            code = await self._watch(process)
            if self._stop.is_set():
                break
            if self.part.one_shot and code == 0:
                self._is_ready(None)
                return
            await self._rest(code)
        self._enter("stopped")

    async def stop(self) -> None:
        """Asks the part to end, and kills it when its grace is over. Safe to call when it is not running.

        Sets `ready`, so that nothing goes on waiting for a part that will not come.
        """
        self._stop.set()
        self.ready.set()
        process = self._process
        if process is None or process.returncode is not None:
            return
        self._tell(Stopping(self.part.name))
        self._enter("stopping")
        self._signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), self.part.grace_s)
        except TimeoutError:
            self.kill()
            await process.wait()
        self._tell(Stopped(self.part.name, self._killed))

    def kill(self) -> None:
        """Ends the part and whatever it has started, at once."""
        self._stop.set()
        self._killed = True
        self._signal(signal.SIGKILL)

    async def _spawn(self) -> Process:
        self._tell(Starting(self.part.name))
        self._recent.clear()
        self.state.forged = 0
        self._spawned = time.monotonic()
        self._ready_since = None
        self._process = process = await asyncio.create_subprocess_exec(
            *leash.command(self.part.command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=PIPE,
            stderr=STDOUT,
            env=self._environment,
            pass_fds=self._pass_fds,
            # A terminal's Ctrl-C goes to its foreground group: to the supervisor, which stops the parts in order.
            process_group=0,
        )
        self._enter("starting")
        if self._stop.is_set():  # asked to stop while the process was being made
            self._signal(signal.SIGTERM)
        return process

    async def _watch(self, process: Process) -> int:
        """Until the process has ended; its exit status."""
        reader = asyncio.create_task(self._read(process))
        prober = asyncio.create_task(self._probe())
        try:
            return await process.wait()
        finally:
            prober.cancel()
            self._signal(signal.SIGKILL)  # what it has started and left behind, if anything
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(reader, _DRAIN_S)

    async def _read(self, process: Process) -> None:
        assert process.stdout is not None
        lines = Lines()
        while chunk := await process.stdout.read(_CHUNK):
            self._log.write(chunk)
            for line in lines.feed(chunk):
                self._heard(line)
        for line in lines.rest():
            self._heard(line)

    def _heard(self, line: bytes) -> None:
        text = line.decode("utf-8", "replace")
        if text.startswith(READY):
            words = text.split()
            self._is_ready(words[3] if len(words) > 3 else None)
        elif text.startswith(PROGRESS):
            self._tell(Progress(self.part.name, text[len(PROGRESS) :]))
        elif text.startswith(FORGED) and text[len(FORGED) :].isdigit():
            self.state.forged = int(text[len(FORGED) :])
            self._changed()
        elif text.strip():
            self._recent.append(text)

    async def _probe(self) -> None:
        if self.part.probe is None:
            return
        while True:
            if await asyncio.to_thread(self.part.probe):
                self._is_ready(None)
                return
            await asyncio.sleep(_PROBE_EVERY_S)

    def _is_ready(self, url: str | None) -> None:
        if self._ready_since is not None or self._stop.is_set():
            return
        self._ready_since = time.monotonic()
        self.state.url = url or self.part.url
        self.state.reason = None
        self._enter("done" if self.part.one_shot else "ready")
        self._tell(Ready(self.part.name, self._ready_since - self._spawned, self.state.url))
        self.ready.set()

    async def _rest(self, code: int) -> None:
        """Says that the part has ended on its own, and waits before the next start."""
        if self._ready_since is not None and time.monotonic() - self._ready_since >= self._back_off.healthy:
            self._failures = 0
        self._failures += 1
        delay = self._back_off.delay(self._failures)
        self.state.restarts += 1
        self.state.reason = reason_of(code, self._recent)
        self._enter("crashed")
        self._tell(Crashed(self.part.name, self.state.reason, self.state.restarts, delay, delay >= self._back_off.cap))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), delay)

    def _enter(self, state: State) -> None:
        self.state.state = state
        self.state.since = now()
        running = self._process is not None and self._process.returncode is None
        self.state.pid = self._process.pid if running and self._process is not None else None
        self._changed()

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)
