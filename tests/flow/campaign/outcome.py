"""What one run of the campaign came to, as numbers to keep."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.flow.campaign.deeds import Deed, Deeds, Told
from tests.flow.campaign.estate import Estate
from tests.flow.campaign.evidence import Evidence
from tests.flow.campaign.journal import Journal
from tests.flow.campaign.parts import Ended, Part, System
from tests.flow.campaign.plan import Blow, Kind, Target
from tests.flow.oracle import Oracle

HOLE_ENDED = re.compile(rb"this worker ends.*a run begins at \d+ where \d+ is due")
HOLE_HEALED = re.compile(rb"came where \d+ is due; reading again")
HOLE_PASSED = re.compile(rb"the log has no records from")
WINDOW_SECONDS = 15.0


@dataclass
class Outcome:
    """`violations` is what must be empty. `kills_at_work` fell on processes that were not still starting.

    `holes`: how often a worker met a run that did not begin where the last one ended: `ended` by the check before a run
    is applied, `healed` by fetching again, `passed` as missing in the log. `recoveries`: seconds by name of the blow;
    of workers and the broker until a record written after it has an output, in the slowest partition; of API and
    archive until the process is ready again. `stall`: the longest that a record waited for its output, and which.
    `memory`: bytes resident by name of the process, when first ready and at most, in the life in which it grew most.
    """

    seed: int
    commit: str
    began: str
    seconds: float
    static: bool
    workers: int
    kills: int
    kills_at_work: int
    blows: Mapping[str, int]
    recoveries: Mapping[str, Sequence[float]]
    counts: Mapping[str, int]
    holes: Mapping[str, int]
    ended: Sequence[Ended]
    stall: tuple[float, str]
    memory: Mapping[str, tuple[int, int]]
    violations: Sequence[str] = field(default_factory=list)

    def json(self) -> str:
        return json.dumps(asdict(self), indent=1)


def commit() -> str:
    """Of the code that runs, with a plus where it is not all committed."""

    def said(*command: str) -> str:
        return subprocess.run(("git", *command), capture_output=True, text=True, check=False).stdout.strip()

    return said("rev-parse", "--short", "HEAD") + ("+" if said("status", "--porcelain", "--untracked-files=no") else "")


def name_of(blow: Blow) -> str:
    return f"{blow.target} {blow.kind}"


def holes(system: System) -> dict[str, int]:
    logs = [path.read_bytes() for path in system.folder.glob("worker-*.log")]
    patterns = {"ended": HOLE_ENDED, "healed": HOLE_HEALED, "passed": HOLE_PASSED}
    return {name: sum(len(pattern.findall(log)) for log in logs) for name, pattern in patterns.items()}


def counts(journal: Journal, evidence: Evidence, listeners: Iterable[Any]) -> dict[str, int]:
    told: Counter[str] = Counter()
    for operation in journal.operations:
        told["operations"] += 1
        told["acknowledged"] += bool(operation.receipts)
        told["repeated by clients"] += operation.attempts > 1
        for promise in {str(receipt.promise) for receipt in operation.receipts}:
            told[promise] += 1
    told["log records"] = len(evidence.log)
    told["points learned"] = evidence.truth.points
    told["duplicates dropped"] = len(evidence.truth.duplicates)
    told["outputs told twice"] = sum(len(written) - 1 for written in evidence.clustered.values())
    for listener in listeners:
        told["subscriber connections"] += listener.connections
        told["facts heard"] += len(listener.facts)
        told["facts heard twice"] += sum(times - 1 for times in listener.facts.values())
        told["gaps reported"] += len(listener.gaps)
    return dict(told)


def counts_of_accounts(deeds: Deeds, estate: Estate) -> dict[str, int]:
    told: Counter[str] = Counter(f"deeds {deed.told}" for deed in deeds.all)
    oracle = estate.oracle
    values = {record.value for record in oracle.log.values()}
    found = Counter(deed.value is not None for deed in deeds.all if is_logged(deed, oracle, values))
    told["deeds over REST accepted"] = sum(deed.value is None for deed in deeds.told(Told.ACCEPTED))
    told["deeds over REST refused"] = sum(1 for _ in deeds.told(Told.REFUSED))
    told["deeds in the log"] = sum(found.values())
    told["deeds over REST in the log"] = found[False]
    told["commands"] = len(oracle.log)
    told["commands rejected"] = sum(decision.rejected for decision in oracle.decisions.values())
    told["commands refused"] = len(oracle.refusals)
    told["entities"] = sum(body is not None for _, body in oracle.last.values())
    told["entities deleted"] = sum(body is None for _, body in oracle.last.values())
    told["changes told twice"] = sum(map(len, estate.told.values())) - sum(map(len, oracle.changes.values()))
    return dict(told)


def is_logged(deed: Deed, oracle: Oracle, values: Collection[bytes | None]) -> bool:
    """Whether the log has it, whatever its client was told; `values` are those of the log."""
    if deed.value is not None:
        return deed.value in values
    return bool(
        oracle.deleted.get(deed.mark) if deed.command == "delete" else oracle.marked.get((deed.command, deed.mark))
    )


def signalled(ended: Iterable[Ended]) -> list[str]:
    """Violations: processes that ended by a signal which nobody here sent. Python ends by exceptions; what ends it so
    is a fault of native code, which cuts off every request and subscriber of the process."""
    return [
        f"{each.name} ended by {signal.Signals(-each.status).name}, which nobody sent: {each.last_line}"
        for each in ended
        if each.status < 0
    ]


def stall(evidence: Evidence) -> tuple[float, str]:
    waits = (
        ((at - evidence.log[place].timestamp) / 1000, f"{place[0]}-{place[1]}")
        for place, at in evidence.answered_at.items()
        if place in evidence.log
    )
    return max(waits, default=(0.0, ""))


def recoveries(system: System, evidence: Evidence) -> dict[str, list[float]]:
    """By name of the blow; of those after which there was something to measure by."""
    found: dict[str, list[float]] = {}
    for struck in system.struck:
        blow, at = struck.blow, struck.at
        if blow.target in (Target.WORKER, Target.BROKER):
            seconds = _until_output(evidence, at)
        else:
            seconds = _until_ready(system.parts[blow.name], at) if blow.kind is Kind.KILL else None
        if seconds is not None:
            found.setdefault(name_of(blow), []).append(round(seconds, 2))
    return found


def _until_output(evidence: Evidence, at: float) -> float | None:
    firsts: dict[int, float] = {}
    for (partition, offset), answered in sorted(evidence.answered_at.items()):
        record = evidence.log.get((partition, offset))
        if (
            partition not in firsts
            and record is not None
            and at * 1000 <= record.timestamp < (at + WINDOW_SECONDS) * 1000
        ):
            firsts[partition] = answered / 1000 - at
    return max(firsts.values(), default=None)


def _until_ready(part: Part, at: float) -> float | None:
    return next((ready - at for launched, ready in part.starts if launched >= at), None)


def keep(path: Path, outcomes: Sequence[Outcome]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([asdict(outcome) for outcome in outcomes], indent=1) + "\n")
