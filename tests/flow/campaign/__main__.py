"""`python -m tests.flow.campaign --kills N --seed S [--runs R] [--json FILE]`: runs with the seeds S, S+1, …

Each run's plan, load and faults follow from its seed: give the seed of a run to see it again. What a run with a
violation, or with a long standstill, has left behind (logs of every process, the log of Kafka, the warehouse) is kept.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import math
import shutil
import statistics
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.flow.campaign.outcome import Outcome, keep
from tests.flow.campaign.plan import Plan, draw
from tests.flow.campaign.run import Campaign

SHOWN = 20
STANDSTILL_SECONDS = 90.0
"""A record that waited longer is no violation, but worth a look: the run's logs are kept then too."""
console = Console(width=140)


def main() -> int:
    arguments = _arguments()
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="thalweg-campaign-"))
    outcomes: list[Outcome] = []
    for seed in range(arguments.seed, arguments.seed + arguments.runs):
        plan = draw(seed, arguments.kills)
        found = one(plan, folder / f"seed-{seed}")
        outcomes.append(found)
        if arguments.json:
            keep(arguments.json, outcomes)
    show(outcomes)
    return 1 if any(found.violations for found in outcomes) else 0


def one(plan: Plan, folder: Path) -> Outcome:
    """A run, told as it goes; its folder stays only if something was violated."""
    told = "static" if plan.static else "dynamic"
    name = f"seed {plan.seed}: {plan.kills} kills, {len(plan.events)} events, {plan.workers} workers, {told}"
    logging.basicConfig(filename=_made(folder) / "campaign.log", level=logging.INFO, force=True)
    with console.status(name) as status:
        found = asyncio.run(Campaign(plan, folder, lambda step: status.update(f"{name}: {step}")).run())
    counts = found.counts
    console.print(
        f"{name}: {found.seconds:.0f} s, {counts['acknowledged']} of {counts['operations']} acknowledged, "
        f"stall {found.stall[0]:.1f} s, holes {dict(found.holes)}, "
        f"[{'red' if found.violations else 'green'}]{len(found.violations)} violations[/]"
    )
    for ended in found.ended:
        console.print(f"  {ended.name} ended by itself with status {ended.status}: {ended.last_line}", markup=False)
    if found.violations:
        (folder / "outcome.json").write_text(found.json())
        for violation in found.violations[:SHOWN]:
            console.print(f"  {violation}", markup=False, style="red")
        console.print(f"  look at {folder}: outcome.json, and a log for each process", style="red")
        console.print(f"  again: python -m tests.flow.campaign --kills {plan.kills} --seed {plan.seed}", style="red")
    elif found.stall[0] > STANDSTILL_SECONDS:
        (folder / "outcome.json").write_text(found.json())
        console.print(f"  {found.stall[1]} waited long: look at {folder}", style="yellow")
    else:
        shutil.rmtree(folder)
    return found


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def show(outcomes: Sequence[Outcome]) -> None:
    """The table: what happened how often, and how long it took until the system was back."""
    happened: Counter[str] = Counter()
    recovered: dict[str, list[float]] = {}
    for found in outcomes:
        happened.update(found.blows)
        for name, seconds in found.recoveries.items():
            recovered.setdefault(name, []).extend(seconds)
    table = Table(title=_summary(outcomes), title_justify="left")
    for name in ("what", "times", "back after, median s", "95 %", "longest"):
        table.add_column(name, justify="left" if name == "what" else "right")
    for name, times in sorted(happened.items()):
        waits = sorted(recovered.get(name, []))
        figures = (statistics.median(waits), waits[math.ceil(0.95 * len(waits)) - 1], waits[-1]) if waits else ()
        table.add_row(name, str(times), *(f"{figure:.1f}" for figure in figures))
    console.print(table)


def _summary(outcomes: Sequence[Outcome]) -> str:
    kills = sum(found.kills for found in outcomes)
    bad = sum(bool(found.violations) for found in outcomes)
    ended = sum(found.holes["ended"] for found in outcomes)
    counts: Counter[str] = Counter()
    for found in outcomes:
        counts.update(found.counts)
    return (
        f"{len(outcomes)} runs, {kills} kills, {bad} runs with violations; the contiguity check fired {ended} times; "
        f"{counts['acknowledged']:,} operations acknowledged, {counts['points learned']:,} points"
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.flow.campaign", description=__doc__)
    parser.add_argument("--kills", type=int, default=20, help="in each run")
    parser.add_argument("--seed", type=int, default=1, help="of the first run")
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the outcomes there as well")
    parser.add_argument("--folder", type=Path, help="where runs put their data; else a temporary one")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
