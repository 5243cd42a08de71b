"""One run: a system started, loaded, hurt as planned, left to settle, and checked."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx

from pipeline.errors import Failure
from pipeline.warehouse.connection import Connection
from tests.flow.campaign import check, outcome
from tests.flow.campaign.accounts import Accounts
from tests.flow.campaign.balancer import Balancer
from tests.flow.campaign.deeds import Deeds, Told
from tests.flow.campaign.estate import Estate
from tests.flow.campaign.evidence import Evidence, Rows, gather, rows_of
from tests.flow.campaign.journal import Journal, Promise, Receipt
from tests.flow.campaign.listen import Listener
from tests.flow.campaign.load import Load
from tests.flow.campaign.outcome import Outcome
from tests.flow.campaign.parts import System, until
from tests.flow.campaign.plan import Kind, Plan
from tests.flow.campaign.verdicts import check_accounts
from tests.flow.load import lag

PATIENCE_SECONDS = 20.0
"""Longer than any process needs to start where others do not want its processor."""
REST_SECONDS = 4.0
SETTLE_SECONDS = 90.0
ENOUGH = {"operations": 100, "deeds": 30, "commands": 300}
"""What clients must have been told is done, before they may stop: on a slow machine nothing may have been up between
one blow and the next. `deeds` over REST, `commands` straight to the log."""
ASKED_AFTERWARDS = 150
"""Requests whose state is asked for at the end, beside those that were answered late."""
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Findings:
    """What was held against each other."""

    journal: Journal
    evidence: Evidence
    rows: Rows
    facts: Listener
    states: Listener
    deeds: Deeds
    estate: Estate

    def violations(self) -> Iterator[str]:
        """Of every promise."""
        yield from self.journal.wrong
        yield from check.check_receipts(self.journal, self.evidence)
        yield from check.check_answers(self.journal, self.evidence)
        yield from check.check_states(self.evidence)
        yield from check.check_outputs(self.evidence)
        yield from check.check_updates(self.evidence)
        yield from check.check_replies(self.evidence)
        yield from check.check_rows(self.rows, self.evidence)
        yield from check.check_listener(self.facts, self.evidence)
        yield from check.check_last_heard(self.states, self.evidence)
        yield from check_accounts(self.deeds, self.estate)


@dataclass
class Campaign:
    """One run over `folder`, which keeps the logs and what was written. `tell` hears of each step."""

    plan: Plan
    folder: Path
    tell: Tell = lambda _: None
    journal: Journal = field(default_factory=Journal)
    violations: list[str] = field(default_factory=list)
    findings: Findings | None = None

    async def run(self) -> Outcome:
        began, stamp = time.monotonic(), datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
        self.folder.mkdir(parents=True, exist_ok=True)
        system = System(self.plan, self.folder)
        accounts = Accounts(system, self.plan.seed)
        self.tell("starting")
        async with system.running():
            facts = Listener(system.urls, system.key, {"topics": "drift,outliers", "policy": "disconnect"}, 1)
            states = Listener(system.urls, system.key, {"topics": "clusters", "policy": "conflate"}, 2)
            balancer = Balancer(system.urls)
            async with self._listening(facts, states), system.weighed(), balancer.asking():
                await self._suffer(system, accounts)
                self.tell("settling")
                await self._settle(system)
                evidence = await asyncio.to_thread(gather, system.kafka)
                rows = await self._rows(system, evidence)
                await self._heard(facts, states, evidence)
                estate = await accounts.estate(self._until)
            self.tell("checking")
            await self._ask_afterwards(system, evidence)
            self.findings = Findings(self.journal, evidence, rows, facts, states, accounts.deeds, estate)
            self.violations += [*self.findings.violations(), *balancer.violations()]
            ended = [each for part in system.parts.values() for each in part.ended]
            self.violations += outcome.signalled(ended)
            if holes := outcome.holes(system)["ended"]:
                self.violations.append(f"the contiguity check has ended a worker {holes} times")
            return Outcome(
                seed=self.plan.seed,
                commit=outcome.commit(),
                began=stamp,
                seconds=round(time.monotonic() - began, 1),
                static=self.plan.static,
                workers=self.plan.workers,
                kills=self.plan.kills,
                kills_at_work=sum(each.at_work for each in system.struck if each.blow.kind is Kind.KILL),
                blows=dict(Counter(map(outcome.name_of, self.plan.blows))),
                recoveries=outcome.recoveries(system, evidence),
                counts=outcome.counts(self.journal, evidence, (facts, states))
                | outcome.counts_of_accounts(accounts.deeds, estate),
                holes=outcome.holes(system),
                ended=ended,
                stall=outcome.stall(evidence),
                memory=dict(system.memory),
                violations=self.violations,
            )

    @asynccontextmanager
    async def _listening(self, *listeners: Listener) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(listener.run()) for listener in listeners]
        try:
            async with asyncio.timeout(30):
                for listener in listeners:
                    await listener.connected.wait()
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _suffer(self, system: System, accounts: Accounts) -> None:
        """Loads the system while the plan happens to it."""
        await accounts.open()
        load = Load(self.journal, self.plan.seed, system.urls, system.key, system.kafka)
        loading = asyncio.gather(load.run(), accounts.run())
        async with asyncio.TaskGroup() as falling:
            for event in self.plan.events:
                await asyncio.sleep(event.after)
                names = [blow.name for blow in event.blows]
                if event.patient:
                    with suppress(TimeoutError):
                        await system.ready(*names, seconds=PATIENCE_SECONDS)
                        await asyncio.sleep(event.rest)
                for blow in event.blows:
                    self.tell(f"{blow.kind} {blow.name}")
                    falling.create_task(system.strike(blow))
        self.tell("loading on")
        await asyncio.sleep(REST_SECONDS)
        with suppress(TimeoutError):
            async with asyncio.timeout(SETTLE_SECONDS):
                await until(lambda: self._done(accounts.deeds) >= Counter(ENOUGH))
        load.stop()
        accounts.stop()
        self.tell("waiting for the clients")
        await loading

    def _done(self, deeds: Deeds) -> Counter[str]:
        """By the names of ENOUGH."""
        accepted = list(deeds.told(Told.ACCEPTED))
        straight = sum(deed.value is not None for deed in accepted)
        acknowledged = sum(bool(operation.receipts) for operation in list(self.journal.operations))
        return Counter(operations=acknowledged, deeds=len(accepted) - straight, commands=straight)

    async def _settle(self, system: System) -> None:
        """Everything runs, and everything is committed; else that is a violation too."""
        try:
            await system.ready(seconds=SETTLE_SECONDS)
        except TimeoutError:
            self.violations.append(
                f"not ready again: {[name for name, part in system.parts.items() if not part.ready]}"
            )
        self.violations += system.wrong
        left = await self._until(lambda: lag(system.kafka), SETTLE_SECONDS)
        if left:
            self.violations.append(f"{left} records are not processed {SETTLE_SECONDS:g} s after the last event")

    async def _rows(self, system: System, evidence: Evidence) -> Rows:
        connection = Connection(system.tables)
        wanted = evidence.truth.points

        def missing() -> int:
            return wanted - int(connection.rows("SELECT count() FROM points")[0][0])

        try:
            left = await self._until(missing, SETTLE_SECONDS)
            if left:
                self.violations.append(f"{left} of {wanted} points are not in the warehouse")
            await asyncio.sleep(1.0)  # the other tables and the rollups have their own pace
            return await asyncio.to_thread(rows_of, connection)
        finally:
            connection.close()

    async def _until(self, left: Callable[[], int], seconds: float) -> int:
        """Asks until nothing is left, or the time is over; what is left then."""
        deadline, found = time.monotonic() + seconds, -1
        while found != 0 and time.monotonic() < deadline:
            with suppress(Failure):
                found = await asyncio.to_thread(left)
            if found:
                await asyncio.sleep(0.2)
        return found

    async def _heard(self, facts: Listener, states: Listener, evidence: Evidence) -> None:
        """Waits a while for what subscribers have not been told yet."""
        wanted = check.facts_of(evidence).keys()
        last = {stream: f"points.observed.v1-{at[0]}-{at[1]}" for stream, at in evidence.truth.last.items()}
        with suppress(TimeoutError):
            async with asyncio.timeout(30):
                await until(lambda: wanted <= facts.facts.keys() and states.statuses == last)

    async def _ask_afterwards(self, system: System, evidence: Evidence) -> None:
        """GET /api/v1/requests/{id}, at any replica, of what was accepted and not answered: nothing is still open."""
        chance = random.Random(self.plan.seed)
        promised = [
            (operation.name, receipt)
            for operation in self.journal.operations
            for receipt in operation.receipts
            if receipt.promise in (Promise.LATE, Promise.ACCEPTED)
        ]
        late = [each for each in promised if each[1].promise is Promise.LATE]
        asked = late + chance.sample(promised, min(len(promised), ASKED_AFTERWARDS))
        async with httpx.AsyncClient(headers={"X-API-Key": system.key}, timeout=30) as http:
            for name, receipt in asked:
                wrong = await self._state(http, chance.choice(system.urls), receipt, evidence)
                if wrong:
                    self.violations.append(f"{name}: {receipt.request_id} is {wrong}")

    async def _state(self, http: httpx.AsyncClient, url: str, receipt: Receipt, evidence: Evidence) -> str | None:
        """What is wrong with it. A replica that did not take the request finds it by its rows: a duplicate or a refusal
        has none."""
        answer = await http.get(f"{url}/api/v1/requests/{receipt.request_id}")
        status = answer.json()["status"] if answer.status_code == httpx.codes.OK else str(answer.status_code)
        learned = all(place in evidence.truth.clustered for place in receipt.places)
        refused = any(place in evidence.truth.refusals for place in receipt.places)
        allowed = {"done"} if learned else {"refused", "404"} if refused else {"done", "404"}
        return None if status in allowed else f"{status}, not {' or '.join(sorted(allowed))}, at {url}"
