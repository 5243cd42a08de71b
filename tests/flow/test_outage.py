"""Kafka away under load: callers are told to come back, nobody gives up or swells, and nothing acknowledged is lost.

The API processes are asked all the while whether they are well, as a load balancer asks them.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.flow.campaign.plan import Blow, Event, Kind, Plan, Target
from tests.flow.campaign.run import Campaign
from tests.flow.child import FENCED

SECONDS = 12.0
pytestmark = [pytest.mark.flow, pytest.mark.timeout(300)]

MOST_GROWTH = 150 * 1024 * 1024
"""Bytes; some thousands of small requests that wait are a few megabytes."""


REST = 5.0
"""Seconds in which producers send what has waited."""


@pytest.mark.parametrize("kind", [Kind.FREEZE, pytest.param(Kind.KILL, marks=pytest.mark.proof)])
async def test_a_broker_that_is_away_is_waited_for(kind: Kind, tmp_path: Path) -> None:
    away = Event(3.0, patient=True, blows=(Blow(kind, Target.BROKER, 0, SECONDS),))
    campaign = Campaign(Plan(seed=3, static=True, workers=1, apis=1, events=(away,)), tmp_path)
    found = await campaign.run()
    assert found.violations == [], "also: a 503 without Retry-After"
    troubles = [trouble for operation in campaign.journal.operations for trouble in operation.troubles]
    assert any(trouble.startswith("503 ") for trouble in troubles)
    assert {"answered", "accepted", "durable"} <= found.counts.keys()
    # To the archive's client a broker that has stood still may say that another has its name: then it starts again.
    ended = [each for each in found.ended if FENCED not in each.last_line]
    assert ended == [], "each waited for the broker, and went on by itself"
    grown = {name: most - first for name, (first, most) in found.memory.items() if not name.startswith("broker")}
    assert grown.keys() >= {"worker-0", "api-0", "archive-0"}
    assert max(grown.values()) < MOST_GROWTH, grown


async def test_a_broker_that_is_restarted_with_care_ends_nobody(tmp_path: Path) -> None:
    """It gives its groups away first, and tells whoever asks for them that it has them no more. On a busy machine its
    starts take so long that without a rest between them records would wait for longer than producers do."""
    restarts = [Event(3.0, patient=True, blows=(Blow(Kind.ROLL, Target.BROKER, 0, 0.0),), rest=REST) for _ in range(4)]
    campaign = Campaign(Plan(seed=5, static=True, workers=1, apis=1, events=restarts), tmp_path)
    found = await campaign.run()
    assert found.violations == [], "also: a process that ended by a signal which nobody sent"
    assert found.blows == {"broker rolling restart": 4}
    assert [each for each in found.ended if FENCED not in each.last_line] == []
