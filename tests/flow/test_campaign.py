"""A short campaign of kills with a fixed seed; and that its checks see what is wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import pytest

from schemas.accounts.users import User
from tests.flow.campaign.balancer import Balancer
from tests.flow.campaign.deeds import Deed, Deeds, Told
from tests.flow.campaign.outcome import Outcome, signalled
from tests.flow.campaign.parts import Ended
from tests.flow.campaign.plan import Kind, Target, draw
from tests.flow.campaign.run import Campaign, Findings
from tests.flow.campaign.verdicts import check_names

pytestmark = [pytest.mark.flow, pytest.mark.timeout(600)]

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
    rolled = {blow.target for blow in blows if blow.kind is Kind.ROLL}
    assert rolled == {Target.WORKER, Target.API, Target.BROKER}
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
    assert found.counts["commands"] > 200
    assert found.counts["commands rejected"] > 50
    assert found.counts["deeds in the log"] > 50
    assert found.counts["deeds over REST in the log"] > 10


def test_an_end_by_a_signal_that_nobody_sent_is_a_violation() -> None:
    fell, left = Ended("api-0", 0.0, -11, "last words"), Ended("archive-0", 0.0, 1, "fenced")
    assert signalled([fell, left]) == ["api-0 ended by SIGSEGV, which nobody sent: last words"]


def test_a_balancer_tells_of_an_answer_that_none_may_give_and_of_none_at_all() -> None:
    balancer = Balancer([])
    balancer.answers.update({("/live", 200): 3, ("/live", 503): 1, ("/ready", 200): 1, ("/ready", 503): 2})
    balancer.answers.update({("/health", 0): 5, ("/health", 503): 1})
    assert list(balancer.violations()) == ["/live answered 503, 1 times", "/health never answered 200"]


Tamper = Callable[[Findings], Findings]


def _without(mapping: Mapping[K, V]) -> dict[K, V]:
    """All but the first."""
    return dict(list(mapping.items())[1:])


def _changed(written: Mapping[K, Any], **fields: Any) -> dict[K, Any]:
    """The first one's first record says something else."""
    (key, ((record, event), *more)), *rest = written.items()
    return dict([(key, [(record, replace(event, **fields)), *more]), *rest])


def _in(part: str, **fields: Callable[[Any], Any]) -> Tamper:
    """Changes fields of one part of the findings."""

    def tamper(found: Findings) -> Findings:
        held = getattr(found, part)
        changed: dict[str, Any] = {
            part: replace(held, **{name: of(getattr(held, name)) for name, of in fields.items()})
        }
        return replace(found, **changed)

    return tamper


_evidence, _rows, _estate = (partial(_in, part) for part in ("evidence", "rows", "estate"))


def _without_entity(written: Mapping[tuple[str, str], Any]) -> dict[tuple[str, str], Any]:
    """All but the first user."""
    first = next(name for name in written if name[0] == "user")
    return {name: changes for name, changes in written.items() if name != first}


def _with_a_bit_more(written: Mapping[tuple[str, str], Any]) -> dict[tuple[str, str], Any]:
    """The last of the first user that there is."""
    first = next(name for name, changes in written.items() if name[0] == "user" and max(changes)[1])
    last = max(written[first])
    return {**written, first: [*(each for each in written[first] if each != last), (last[0], last[1] + b"\0")]}


def _resurrected(written: Mapping[tuple[str, str], Any]) -> dict[tuple[str, str], Any]:
    """The first that is gone, without its end."""
    first = next(name for name, changes in written.items() if name != ("", "") and max(changes)[1] is None)
    return {**written, first: [each for each in written[first] if each[1] is not None]}


def _unseen(shown: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """The first process lacks a user."""
    url = next(iter(shown))
    lists = dict(shown[url])
    return {**shown, url: lists | {"/api/admin/users": lists["/api/admin/users"][1:]}}


def _turned(audit: Mapping[int, Any]) -> dict[int, Any]:
    (offset, [(actor, action, target, verdict, *row)]), *rest = audit.items()
    return {offset: [(actor, action, target, "refused" if verdict == "accepted" else "accepted", *row)], **dict(rest)}


def _deeds(of: Callable[[Deed], bool], **fields: Any) -> Tamper:
    """The first such deed is told otherwise."""

    def tamper(found: Findings) -> Findings:
        chosen = next(deed for deed in found.deeds.all if of(deed))
        others = [deed for deed in found.deeds.all if deed is not chosen]
        return replace(found, deeds=Deeds([*others, replace(chosen, **fields)]))

    return tamper


def _accepted(deed: Deed) -> bool:
    return deed.command == "register" and deed.told is Told.ACCEPTED


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
        pytest.param(_estate(told=_without_entity), "is nowhere", id="an entity"),
        pytest.param(_estate(told=_with_a_bit_more), "entity topics: the last of", id="a bit of an entity"),
        pytest.param(_estate(told=_resurrected), "entity topics: the last of", id="a tombstone"),
        pytest.param(_estate(kept=_without_entity), "changelog: ('user'", id="an entity in the changelog"),
        pytest.param(_estate(kept=_with_a_bit_more), "changelog: the last of", id="a bit of it in the changelog"),
        pytest.param(
            _estate(kept=lambda kept: {**kept, ("", ""): [(1, None)]}),
            "the worker has come to 1",
            id="the place reached",
        ),
        pytest.param(_estate(replies=_without), "no reply to the command", id="a command's reply"),
        pytest.param(_estate(letters=_without), "dead letters of the command", id="a command's dead letter"),
        pytest.param(_estate(audit=_without), "audit: 0 rows", id="an audited action"),
        pytest.param(_estate(audit=_twice), "audit: 2 rows", id="an audited action twice"),
        pytest.param(_estate(audit=_turned), "audit: the row of", id="a verdict"),
        pytest.param(_estate(shown=_unseen), "does not show what the log gives", id="a view"),
        pytest.param(_deeds(_accepted, mark="none"), "in the log 0 times", id="an accepted command"),
        pytest.param(_deeds(_accepted, told=Told.REFUSED), "was refused, where", id="a refusal"),
        pytest.param(_deeds(_accepted, version=0), "was told version", id="a version"),
        pytest.param(
            _deeds(lambda deed: deed.offset is not None, offset=0), "is not where Kafka said", id="a command's receipt"
        ),
    ],
)
def test_the_checks_see_what_is_lost_or_changed(run: tuple[Outcome, Findings], tamper: Tamper, said: str) -> None:
    _, findings = run
    assert list(findings.violations()) == []
    assert any(said in violation for violation in tamper(findings).violations())


def test_two_users_of_one_name_are_seen() -> None:
    ada = User("u1", 1, 0, 0, 0, number=0, username="ada", email="ada@example.com")
    other = replace(ada, id="u2", username="ADA", email="Ada@example.com")
    assert len(list(check_names([ada, other]))) == 2
    assert list(check_names([ada, replace(other, username="bob", email=None)])) == []
