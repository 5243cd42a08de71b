"""How many deliveries does one API process make to those who listen, how late, and at what cost?

    python -m bench.fanout [--quick] [--json FILE] [--listeners 1000] [--centrifugo PATH]

A real broker, one real API process, and a process of listeners over WebSocket, then over SSE. Each record in the log is
one message of about 500 bytes, told to every listener. The rate of messages rises in steps while 99 of 100 deliveries
take at most 150 ms, from before the record is produced to after the listener has read it, and nothing is lost.

Beside it, in the same run, Centrifugo (Go; one process, no broker between) with the same messages, listeners and steps.
Processor time is of the server's process alone. All share this machine: at the highest rates the listeners and the
server contend for it, in both cases.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from bench.live.listeners import Form, Heard, Listeners, listening
from bench.live.servers import PEER_BUILD, Server, api, centrifugo, peer
from bench.sheet import Row, finish, parser

LATEST_MS = 150
BASE = 30
"""Messages a second of the first step."""
GOAL = 30_000
PEER_GOAL = 0.3
IN_PACE = 0.95
"""Of the rate: a server that answers its publisher later than that is at its end, however soon it delivers."""
TRIES = 2
"""Of a step that does not hold: whatever else the machine does may have stood in its way."""
_SETTLE = 1.0
_STEP = math.sqrt(2)


@dataclass(frozen=True)
class Step:
    """One rate, held for a while. Times in milliseconds, `cost` in microseconds of processor time a delivery."""

    rate: float
    deliveries: float
    p50: float
    p99: float
    cost: float
    coalesced: float
    """Messages a read."""
    listening: float
    """Share of one core that the listeners took."""
    holds: bool


@dataclass(frozen=True)
class Climb:
    """All steps of a server in one form, and the memory of a connection in KiB."""

    server: str
    form: Form
    memory: float
    steps: list[Step]

    @property
    def best(self) -> Step | None:
        """The fastest that held."""
        return max((step for step in self.steps if step.holds), key=lambda step: step.deliveries, default=None)

    @property
    def most(self) -> float:
        """Deliveries a second of the fastest step that held."""
        return self.best.deliveries if self.best else 0.0


def main() -> None:
    flags = parser(__doc__ or "")
    flags.add_argument("--listeners", type=int, default=1000)
    flags.add_argument("--centrifugo", type=Path, metavar="PATH", help="its binary")
    flags.add_argument("--most", type=float, default=2000, help="messages a second at which to stop at the latest")
    told = flags.parse_args()
    if told.quick:
        told.listeners, told.most = min(told.listeners, 200), min(told.most, 60)
    binary = peer(told.centrifugo)
    rows: list[Row] = []
    for form in Form:
        ours = climbed(api(told.listeners), form, told)
        beside = climbed(centrifugo(binary), form, told) if binary else None
        rows += rows_of(ours, beside)
    if binary is None:
        rows.append(Row(f"Centrifugo: {PEER_BUILD}", 0, "beside"))
    finish(f"Live fan-out, one process to {told.listeners:,} listeners", rows, told)


def climbed(server: AbstractContextManager[Server], form: Form, told: argparse.Namespace) -> Climb:
    seconds = 3.0 if told.quick else 8.0
    with server as running:
        before = running.process.memory_info().rss
        with listening(running.call(form, told.listeners)) as listeners:
            steady(running, BASE, _SETTLE)
            memory = (running.process.memory_info().rss - before) / told.listeners / 1024
            steps = []
            for rate in rates(told.most):
                for _ in range(TRIES):
                    step = measured(running, listeners, rate, seconds, told.listeners)
                    print(f"{running.name} {form}: {_line(step)}", flush=True)
                    if step.holds:
                        break
                steps.append(step)
                if not step.holds:
                    break
    return Climb(running.name, form, memory, steps)


def rates(most: float) -> Iterator[float]:
    rate = float(BASE)
    while rate <= most:
        yield rate
        rate *= _STEP


def measured(server: Server, listeners: Listeners, rate: float, seconds: float, count: int) -> Step:
    settle(listeners)
    listeners.begin()
    spent, began = _processor(server), time.perf_counter()
    sent = steady(server, rate, seconds)
    pace = sent / (time.perf_counter() - began)
    heard = listeners.heard()
    deadline = time.perf_counter() + 2 * LATEST_MS / 1000
    while heard.deliveries < sent * count and time.perf_counter() < deadline:
        time.sleep(0.02)
        heard = listeners.heard()
    took = time.perf_counter() - began
    cost = (_processor(server) - spent) / max(1, heard.deliveries) * 1e6
    p50, p99 = heard.percentile(0.5), heard.percentile(0.99)
    whole = heard.deliveries == sent * count and not (heard.lost or heard.gaps or heard.closed)
    share = heard.processor / took
    coalesced = heard.deliveries / max(1, heard.reads)
    if not whole:
        print(f"  incomplete: {_told(heard, sent * count)}", flush=True)
    if slow := pace < IN_PACE * rate:
        print(f"  the server took {pace:.0f} messages/s", flush=True)
    holds = whole and not slow and p99 <= LATEST_MS
    return Step(rate, heard.deliveries / took, p50, p99, cost, coalesced, share, holds)


def settle(listeners: Listeners) -> None:
    """Waits until nothing more comes: what is still on its way belongs to the step before."""
    before, deadline = -1, time.perf_counter() + 10
    while before != (before := listeners.heard().deliveries) and time.perf_counter() < deadline:
        time.sleep(_SETTLE / 2)


def steady(server: Server, rate: float, seconds: float) -> int:
    """Publishes evenly for so long. Returns how many."""
    began, sent = time.perf_counter(), 0
    while sent < rate * seconds:
        if (early := began + sent / rate - time.perf_counter()) > 0:
            time.sleep(early)
        server.publish()
        sent += 1
    return sent


def rows_of(ours: Climb, beside: Climb | None) -> list[Row]:
    form, base = ours.form, ours.steps[0]
    first, best = (beside.steps[0], beside.best) if beside else (None, None)
    per = "µs of processor a delivery"
    most = f"{form}: most with p99 <= {LATEST_MS} ms"
    rows = [
        Row(
            f"{form}: {BASE} messages/s to each, p50",
            base.p50,
            "ms",
            f"Centrifugo {first.p50:.0f}" if first else None,
        ),
        Row(
            f"{form}: {BASE} messages/s to each, p99",
            base.p99,
            "ms",
            f"Centrifugo {first.p99:.0f}" if first else None,
            goal=f"<= {LATEST_MS}",
            reached=base.holds,
        ),
        _against(f"{form}: cost at {BASE} messages/s", base.cost, per, first.cost if first else None),
        Row(most, ours.most, "deliveries/s", goal=f">= {GOAL:,}", reached=ours.most >= GOAL),
    ]
    if ours.best:
        rows.append(_against(f"{form}: cost at the most", ours.best.cost, per, best.cost if best else None))
    if beside and best:
        share = ours.most / beside.most
        told = f"Centrifugo {beside.most:,.0f}"
        goal = f">= {PEER_GOAL}"
        rows.append(Row(f"{most}, beside", ours.most, "deliveries/s", told, share, goal, share >= PEER_GOAL))
    rows.append(_against(f"{form}: memory a connection", ours.memory, "KiB", beside.memory if beside else None))
    return rows


def _against(what: str, value: float, unit: str, beside: float | None) -> Row:
    if beside is None:
        return Row(what, value, unit)
    return Row(what, value, unit, f"Centrifugo {beside:,.1f}", value / beside if beside else None)


def _processor(server: Server) -> float:
    times = server.process.cpu_times()
    return float(times.user + times.system)


def _line(step: Step) -> str:
    return (
        f"{step.rate:6.0f} messages/s, {step.deliveries:9,.0f} deliveries/s, p50 {step.p50:.0f} ms, "
        f"p99 {step.p99:.0f} ms, {step.cost:.1f} µs each, {step.coalesced:.1f} a read, "
        f"listeners {step.listening:.0%} of a core{'' if step.holds else ': does not hold'}"
    )


def _told(heard: Heard, expected: int) -> str:
    return (
        f"{heard.deliveries:,} of {expected:,} in time, {heard.lost} lost, {heard.gaps} gaps told, "
        f"{heard.closed} closed, {heard.behind} behind"
    )


if __name__ == "__main__":
    main()
