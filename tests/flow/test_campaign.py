"""A short campaign of kills with a fixed seed; and that its checks see what is wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

import pytest

from tests.flow.campaign.outcome import Outcome
from tests.flow.campaign.plan import Kind, Target, draw
from tests.flow.campaign.run import Campaign, Findings

pytestmark = [pytest.mark.flow, pytest.mark.timeout(400)]

K = TypeVar("K")
V = TypeVar("V")
KILLS = 8


def test_a_seed_gives_the_same_plan_again() -> None:
    assert draw(11, 20) == draw(11, 20)
    assert draw(11, 20) != draw(12, 20)


def test_plans_spare_nobody() -> None:
    blows = [blow for seed in range(20) for blow in draw(seed, 20).blows]
    assert {blow.target for blow in blows if blow.kind is Kind.KILL} == set(Target)
    assert {blow.target for blow in blows if blow.kind is Kind.FREEZE} == set(Target)
    assert {draw(seed, 1).static for seed in range(4)} == {True, False}
    frozen = [blow.seconds for blow in blows if blow.kind is Kind.FREEZE and blow.target is Target.WORKER]
    assert min(frozen) < draw(0, 1).session < max(frozen), "some zombies, some not"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Outcome, Findings]:
    campaign = Campaign(draw(6, KILLS, workers=2, outage=False), tmp_path_factory.mktemp("campaign"))
    found = asyncio.run(campaign.run())
    assert campaign.findings is not None
    return found, campaign.findings


def test_what_was_promised_holds_though_everything_was_killed(run: tuple[Outcome, Findings]) -> None:
    found, _ = run
    assert found.violations == []
    assert found.kills >= KILLS
    assert found.holes["ended"] == 0
    assert found.counts["points learned"] > 500
    assert found.counts["facts heard"] > 10


Tamper = Callable[[Findings], Findings]


def _without(mapping: Mapping[K, V]) -> dict[K, V]:
    """All but the first."""
    return dict(list(mapping.items())[1:])


def _changed(written: Mapping[K, Any], **fields: Any) -> dict[K, Any]:
    """The first one's first record says something else."""
    (key, ((record, event), *more)), *rest = written.items()
    return dict([(key, [(record, replace(event, **fields)), *more]), *rest])


def _evidence(**fields: Callable[[Any], Any]) -> Tamper:
    def tamper(found: Findings) -> Findings:
        evidence = found.evidence
        return replace(
            found, evidence=replace(evidence, **{name: of(getattr(evidence, name)) for name, of in fields.items()})
        )

    return tamper


def _rows(**fields: Callable[[Any], Any]) -> Tamper:
    def tamper(found: Findings) -> Findings:
        return replace(
            found, rows=replace(found.rows, **{name: of(getattr(found.rows, name)) for name, of in fields.items()})
        )

    return tamper


def _twice(points: Mapping[K, Any]) -> dict[K, Any]:
    (key, rows), *rest = points.items()
    return dict([(key, [*rows, *rows]), *rest])


def _deaf(found: Findings) -> Findings:
    return replace(found, facts=replace(found.facts, facts=_without(found.facts.facts)))


def _behind(found: Findings) -> Findings:
    stale = dict.fromkeys(found.states.statuses, "points.observed.v1-0-0")
    return replace(found, states=replace(found.states, statuses=stale))


@pytest.mark.parametrize(
    ("tamper", "said"),
    [
        pytest.param(_evidence(log=_without), "where something else is, or nothing", id="an acknowledged record"),
        pytest.param(_evidence(states=_without), "the changelog's is not the log's", id="a state"),
        pytest.param(
            _evidence(states=lambda states: {key: (at, body + b"\0") for key, (at, body) in states.items()}),
            "the changelog's is not the log's",
            id="a bit of a state",
        ),
        pytest.param(_evidence(clustered=_without), "points.clustered: nothing of", id="an output"),
        pytest.param(
            _evidence(clustered=lambda it: _changed(it, first_point=-5)),
            "says something else",
            id="an output's content",
        ),
        pytest.param(_evidence(outliers=_without), "outliers.detected: nothing of", id="outliers"),
        pytest.param(_evidence(updates=lambda it: _changed(it, points=-1)), "is not the state there", id="clusters"),
        pytest.param(_evidence(replies=_without), "no reply to", id="a reply"),
        pytest.param(_evidence(letters=_without), "dead letters: nothing of", id="a dead letter"),
        pytest.param(_rows(points=_without), "rows of points: nothing of", id="rows"),
        pytest.param(_rows(points=_twice), "that were learned, or others", id="rows twice"),
        pytest.param(_rows(last=_without), "the newest rows of streams: nothing of", id="a stream's newest row"),
        pytest.param(_deaf, "never heard of", id="a delivery"),
        pytest.param(_behind, "heard of streams of", id="the last delivery"),
    ],
)
def test_the_checks_see_what_is_lost_or_changed(run: tuple[Outcome, Findings], tamper: Tamper, said: str) -> None:
    _, findings = run
    assert list(findings.violations()) == []
    assert any(said in violation for violation in tamper(findings).violations())
