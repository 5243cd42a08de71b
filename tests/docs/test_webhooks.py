"""What the document of webhooks says, and the receiver it shows."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pipeline.accounts.destinations import LONGEST, Allowed
from pipeline.courier.post import LONGEST_ANSWER, Post
from pipeline.courier.retention import KEPT, KEPT_EACH
from pipeline.courier.schedule import DELAYS, HOUR, JITTER, LIFETIME, MINUTE, SECOND
from pipeline.courier.settings import CourierSettings
from pipeline.courier.signature import signed
from pipeline.courier.triggers import TRIGGERS
from schemas.accounts.webhooks import TEST_EVENT
from schemas.catalogue import EVENTS
from tests.docs.documents import ROOT, blocks, rows, text_of
from tests.ports import free_ports

TEXT = text_of(ROOT / "docs" / "webhooks.md")
UNITS = {"s": SECOND, "min": MINUTE, "h": HOUR}


@contextmanager
def receiver(secret: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    [port] = free_ports(1)
    command = [sys.executable, str(ROOT / "examples" / "webhook_receiver.py"), "--port", str(port)]
    with subprocess.Popen(command, env={"SECRET": secret}, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().split()[-1], process
        process.terminate()


@pytest.mark.parametrize("secret", ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "a secret in plain words"])
async def test_the_receiver_takes_what_is_genuine_once_and_nothing_else(secret: str) -> None:
    post, body = Post(Allowed.parse("127.0.0.1")), b'{"type": "drift.detected", "data": {"stream": "tour"}}'
    now = int(time.time())
    with receiver(secret) as (url, process):
        for _ in range(2):
            assert (await post.send(url, signed(secret, "msg_1", now, body), body)).status == 204
        for forged in (
            {},
            signed("another secret", "msg_2", now, body),
            signed(secret, "msg_2", now - 400, body),
            signed(secret, "msg_2", now, body) | {"webhook-id": "msg_3"},
            signed(secret, "msg_2", now, body) | {"webhook-timestamp": "x"},
        ):
            assert (await post.send(url, forged, body)).status == 401
        assert (await post.send(url, signed(secret, "msg_4", now, body), body)).status == 204
        assert process.stdout is not None
        printed = [process.stdout.readline().split(" ", 2)[:2] for _ in range(2)]
    assert printed == [["msg_1", "drift.detected"], ["msg_4", "drift.detected"]]


def test_the_schedule_is_the_one_that_is_kept() -> None:
    [waits] = [cells[1:] for cells in rows(TEXT) if cells[0] == "wait"]
    told = [int(wait.split()[0]) * UNITS[wait.split()[1]] for wait in waits]
    assert tuple(told) == DELAYS
    assert JITTER == 1 / 5
    assert LIFETIME == 24 * HOUR


def test_the_bounds_are_those_that_hold() -> None:
    settings = CourierSettings()
    assert f"At most {settings.pending_each:,} deliveries wait for a webhook, and {settings.pending:,} for all" in TEXT
    assert f"At most {settings.pending_owner:,}\ndeliveries wait for one owner; {settings.pending_assured} may" in TEXT
    assert (settings.attempts_each, settings.attempts_owner) == (4, 8)
    assert settings.seconds == 10
    assert LONGEST_ANSWER == 64 * 1024
    assert f"{LONGEST:,} characters" in TEXT
    assert (KEPT, KEPT_EACH) == (7 * 24 * HOUR, 100)


def test_the_events_are_those_that_are_sent() -> None:
    told = {
        cells[0].strip("`"): cells[2].strip("`") for cells in rows(TEXT) if re.fullmatch(r"`[a-z]+\.[a-z]+`", cells[0])
    }
    assert told == {trigger.event: trigger.permission for trigger in TRIGGERS} | {TEST_EVENT: ""}
    for event in set(EVENTS) - told.keys():
        assert f"`{event}`" in TEXT


def test_the_example_has_the_fields_of_an_event() -> None:
    [example] = [json.loads(text) for info, text in blocks(TEXT) if info == "json"]
    assert example.keys() == {"type", "timestamp", "data"}
    assert example["type"] in EVENTS
