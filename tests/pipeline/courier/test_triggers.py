"""An event is told in JSON, and has one id for a webhook however often the log tells of it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from pipeline.courier.triggers import TRIGGERS, Trigger, body_of, delivery_id
from schemas.catalogue import EVENTS, TOPICS
from schemas.clustering.clusters import DriftDetected
from schemas.permissions import PERMISSIONS
from tests.schemas.samples import SAMPLES

DRIFT = next(it for it in SAMPLES if isinstance(it, DriftDetected))

each_trigger = pytest.mark.parametrize("trigger", TRIGGERS, ids=lambda it: it.event)


def of(event: str) -> Trigger:
    return next(trigger for trigger in TRIGGERS if trigger.event == event)


@each_trigger
def test_a_trigger_is_of_a_topic_and_an_event_that_there_are(trigger: Trigger) -> None:
    assert trigger.topic in TOPICS
    assert trigger.event in EVENTS
    assert trigger.permission in PERMISSIONS


@each_trigger
def test_a_record_is_told_in_the_form_of_standard_webhooks(trigger: Trigger) -> None:
    record: Any = next(it for it in SAMPLES if isinstance(it, trigger.topic.record))
    told = trigger.tell(record)
    assert told is not None
    body = json.loads(body_of(trigger.event, told))
    assert body.keys() == {"type", "timestamp", "data"}
    assert body["type"] == trigger.event
    assert len(body_of(trigger.event, told)) < 20_000


def test_the_same_event_has_the_same_id_and_another_has_another() -> None:
    tell = of("drift.detected").tell
    again = replace(DRIFT, statistic=9.0, detected_at=DRIFT.detected_at + 1)
    ids = {
        delivery_id(webhook, "drift.detected", told)
        for webhook in ("a", "b")
        for record in (DRIFT, again, replace(DRIFT, source_offset=99), replace(DRIFT, ordinal=99))
        if (told := tell(record)) is not None
    }
    assert len(ids) == 2 * 3


def test_a_number_that_json_does_not_know_is_null() -> None:
    told = of("drift.detected").tell(replace(DRIFT, statistic=float("inf")))
    assert told is not None
    assert json.loads(body_of("drift.detected", told))["data"]["statistic"] is None
