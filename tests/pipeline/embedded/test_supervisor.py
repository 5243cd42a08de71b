"""Real processes under a real supervisor: started in order, kept alive, stopped in order."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from typer.testing import CliRunner

from pipeline.cli.app import build
from pipeline.embedded import runstate
from pipeline.embedded.events import AllReady, Crashed, Event, Progress, Ready, Starting, Stopped, Stopping
from pipeline.embedded.keeper import BackOff
from pipeline.embedded.parts import Part
from pipeline.embedded.supervisor import Supervisor

SERVES = "import time; print('THALWEG READY x http://here', flush=True); time.sleep(600)"
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);" + SERVES
FALLS = "import sys; print('THALWEG READY x', flush=True); sys.exit('out of luck')"
BREEDS = "import subprocess; print(subprocess.Popen(['sleep', '600']).pid, flush=True);" + SERVES
BRIEF = BackOff(first=0.05, cap=0.2, healthy=60)


def part(name: str, script: str, tier: int = 0, grace_s: float = 10, one_shot: bool = False, after: str = "") -> Part:
    return Part(name, [sys.executable, "-c", script], tier, grace_s, after.split(), one_shot=one_shot)


class Watched:
    """A supervisor's events, and calls that are made when one comes."""

    def __init__(self, data_dir: Path, *parts: Part) -> None:
        self.events: list[Event] = []
        self.data_dir = data_dir
        self.supervisor = Supervisor(parts, data_dir, os.environ, self._hear, BRIEF)
        self._calls: list[tuple[Callable[[Event], bool], Callable[[], None]]] = []

    def when(self, comes: Callable[[Event], bool], call: Callable[[], None]) -> None:
        self._calls.append((comes, call))

    async def run(self) -> None:
        with runstate.sole_run(self.data_dir):
            async with asyncio.timeout(60):
                await self.supervisor.run()

    def of(self, kind: type[Event]) -> list[str]:
        return [event.part for event in self.events if isinstance(event, kind) and not isinstance(event, AllReady)]

    def state(self, name: str) -> runstate.PartState:
        run = runstate.read(self.data_dir)
        assert run is not None
        return next(it for it in run.parts if it.name == name)

    def process(self, name: str) -> psutil.Process:
        return psutil.Process(self.state(name).pid)

    def _hear(self, event: Event) -> None:
        self.events.append(event)
        for comes, call in self._calls:
            if comes(event):
                call()


def all_ready(event: Event) -> bool:
    return isinstance(event, AllReady)


def crashes(times: int) -> Callable[[Event], bool]:
    return lambda event: isinstance(event, Crashed) and event.restarts == times


async def test_a_part_starts_when_what_it_waits_for_is_ready_and_stops_before_it(tmp_path: Path) -> None:
    watched = Watched(
        tmp_path,
        part("last", SERVES, tier=2, after="first step"),
        part("step", "print('made')", tier=1, one_shot=True, after="first"),
        part("first", SERVES),
    )
    watched.when(all_ready, watched.supervisor.stop)
    await watched.run()
    kept = [(type(event), event.part) for event in watched.events if not isinstance(event, AllReady)]
    assert kept == [
        (Starting, "first"),
        (Ready, "first"),
        (Starting, "step"),
        (Ready, "step"),
        (Starting, "last"),
        (Ready, "last"),
        (Stopping, "last"),
        (Stopped, "last"),
        (Stopping, "first"),
        (Stopped, "first"),
    ]


async def test_the_state_can_be_read_while_it_runs(tmp_path: Path) -> None:
    watched = Watched(tmp_path, part("a", SERVES), part("step", "", one_shot=True))
    seen: list[runstate.RunState | None] = []
    watched.when(all_ready, lambda: seen.append(runstate.read(tmp_path)))
    watched.when(all_ready, watched.supervisor.stop)
    await watched.run()
    [run] = seen
    assert run is not None
    assert run.well
    assert run.pid == os.getpid()
    assert [(it.name, it.state, it.url) for it in run.parts] == [("a", "ready", "http://here"), ("step", "done", None)]


async def test_a_part_that_ends_is_started_again_after_growing_waits_and_its_reason_is_told(tmp_path: Path) -> None:
    watched = Watched(tmp_path, part("falls", FALLS), part("other", SERVES))
    watched.when(crashes(4), watched.supervisor.stop)
    await watched.run()
    crashed = [event for event in watched.events if isinstance(event, Crashed)]
    assert [event.restart_in for event in crashed] == [0.05, 0.1, 0.2, 0.2]
    assert [event.again_and_again for event in crashed] == [False, False, True, True]
    assert {event.reason for event in crashed} == {"exit status 1: out of luck"}
    assert watched.of(Starting).count("falls") == 4
    assert watched.of(Starting).count("other") == 1


async def test_a_killed_part_is_back_and_the_run_is_well_again(tmp_path: Path) -> None:
    watched = Watched(tmp_path, part("a", SERVES))

    watched.when(all_ready, lambda: watched.process("a").kill())
    watched.when(lambda event: isinstance(event, Ready) and watched.of(Ready) == ["a", "a"], watched.supervisor.stop)
    await watched.run()
    [crash] = [event for event in watched.events if isinstance(event, Crashed)]
    assert crash.reason == "killed by SIGKILL"


async def test_a_step_that_fails_is_tried_again_until_it_is_done(tmp_path: Path) -> None:
    script = (
        f"import os, sys; os.path.exists({str(tmp_path / 'x')!r}) or (open({str(tmp_path / 'x')!r}, 'w'), sys.exit(3))"
    )
    watched = Watched(tmp_path, part("step", script, one_shot=True))
    watched.when(all_ready, watched.supervisor.stop)
    await watched.run()
    assert [type(event) for event in watched.events] == [Starting, Crashed, Starting, Ready, AllReady]


async def test_a_part_that_does_not_stop_in_its_grace_is_killed(tmp_path: Path) -> None:
    watched = Watched(tmp_path, part("deaf", DEAF, grace_s=0.3))
    watched.when(all_ready, watched.supervisor.stop)
    await watched.run()
    assert Stopped("deaf", killed=True) in watched.events


async def test_a_second_stop_does_not_wait_for_anything(tmp_path: Path) -> None:
    watched = Watched(tmp_path, part("deaf", DEAF, tier=1, grace_s=600), part("below", DEAF, grace_s=600))
    started: list[psutil.Process] = []

    def again() -> None:
        asyncio.get_running_loop().call_later(0.1, watched.supervisor.stop)

    watched.when(all_ready, lambda: started.extend(map(watched.process, ("deaf", "below"))))
    watched.when(all_ready, watched.supervisor.stop)
    watched.when(lambda event: event == Stopping("deaf"), again)
    await watched.run()
    # Whether the other one is still seen to end depends on which of the two the kernel reports first.
    assert watched.of(Stopped)[0] == "deaf"
    assert all(event.killed for event in watched.events if isinstance(event, Stopped))
    assert not any(process.is_running() for process in started)


async def test_a_stop_before_everything_is_ready_ends_too(tmp_path: Path) -> None:
    never = part("never", "import time; time.sleep(600)")
    watched = Watched(tmp_path, never, part("waits", SERVES, tier=1, after="never"))
    watched.when(lambda event: event == Starting("never"), watched.supervisor.stop)
    await watched.run()
    assert watched.of(Starting) == ["never"]


async def test_a_signal_stops_the_run(tmp_path: Path) -> None:
    watched = Watched(tmp_path, part("a", SERVES))
    watched.when(all_ready, lambda: os.kill(os.getpid(), signal.SIGTERM))
    await watched.run()
    assert watched.of(Stopped) == ["a"]


async def test_what_a_part_had_started_goes_with_it(tmp_path: Path) -> None:
    watched = Watched(tmp_path, part("breeds", BREEDS))
    watched.when(all_ready, watched.supervisor.stop)
    await watched.run()
    child = int((tmp_path / "logs" / "breeds.log").read_text().split()[0])
    if psutil.pid_exists(child):
        psutil.Process(child).wait(10)


async def test_progress_is_passed_on_and_output_is_logged(tmp_path: Path) -> None:
    watched = Watched(tmp_path, part("a", "print('THALWEG PROGRESS 3 of 4 jars');" + SERVES))
    watched.when(all_ready, watched.supervisor.stop)
    await watched.run()
    assert Progress("a", "3 of 4 jars") in watched.events
    assert "THALWEG READY x http://here\n" in (tmp_path / "logs" / "a.log").read_text()


async def test_forged_records_that_a_part_met_are_shown_by_status(tmp_path: Path) -> None:
    met = "print('THALWEG FORGED 2'); print('THALWEG FORGED 3'); print('THALWEG FORGED many');"
    watched = Watched(tmp_path, part("a", met + SERVES), part("b", SERVES))
    shown: list[str] = []
    asked = ["status", "--data-dir", str(tmp_path)]
    watched.when(all_ready, lambda: shown.append(CliRunner().invoke(build(), asked).output))
    watched.when(all_ready, watched.supervisor.stop)
    await watched.run()
    assert (watched.supervisor._run.parts[0].forged, watched.supervisor._run.parts[1].forged) == (3, 0)
    assert "a has met 3 forged records: thalweg logs a" in shown[0]
    assert "b has met" not in shown[0]


@pytest.mark.parametrize(("failures", "delay"), [(1, 0.2), (2, 0.4), (3, 0.8), (8, 25.6), (9, 30), (1_000_000, 30)])
def test_the_wait_doubles_up_to_30_seconds(failures: int, delay: float) -> None:
    assert BackOff().delay(failures) == delay
