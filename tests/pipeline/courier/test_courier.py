"""Events go to whoever asked for them, once or again under the same id, and what becomes of each is in the log."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from functools import partial

from pipeline.courier.enrolment import CROWDED
from pipeline.courier.schedule import HOUR, LIFETIME, MINUTE
from schemas.accounts.traces import MailRequested
from schemas.accounts.users import Status, User
from schemas.accounts.webhooks import TEST_EVENT, Delivery, Progress, Webhook
from tests.doubles.receiver import Delivered, Receiver, receiving, status
from tests.pipeline.courier.world import SECRET, World


def letter(webhook: Webhook, owner: User, reason: str, now: int) -> MailRequested:
    return MailRequested(owner.id, owner.email or "", "webhook_disabled", now, now, f"{webhook.id}: {reason}")


async def begun(here: World) -> None:
    """Returns once a courier that was just started has its turn: it commits where the events begin."""
    async with receiving() as receiver:
        await here.webhook(receiver.url, "first")
        probe = _test(here, f"w{here.name}first", "msg_first")
        await here.write(here.topics.deliveries, probe.id, probe)
        await here.until(lambda: here.deliveries()["msg_first"].progress is Progress.DELIVERED)
    await here.write(here.topics.webhooks, f"w{here.name}first", None)
    await here.write(here.topics.deliveries, probe.id, None)


def _test(here: World, webhook: str, name: str) -> Delivery:
    """As the door writes it when somebody asks for a test."""
    return Delivery(name, webhook, TEST_EVENT, None, here.now(), Progress.PENDING, here.now(), [], b'{"type":"test"}')


async def test_an_event_is_delivered_once_signed_and_told_of(here: World) -> None:
    async with receiving() as receiver, here.courier():
        await begun(here)
        await here.webhook(receiver.url)
        await here.webhook(receiver.url, "other", events=["alert.triggered"])
        await here.drift(1)
        await here.drift(1)  # a worker that crashed tells of it again
        await here.drift(2)
        known = await delivered(here, 2)
    assert sorted(receiver.ids) == sorted(known)
    for got in receiver.received:
        got.verify(SECRET)
        assert got.headers["content-type"] == "application/json"
        told = json.loads(got.body)
        assert told["type"] == "drift.detected"
        assert told["data"]["affected_clusters"] == [1, 2]
        assert known[got.id].body == got.body
        [attempt] = known[got.id].attempts
        assert (attempt.status, attempt.error) == (204, None)


async def delivered(here: World, count: int) -> dict[str, Delivery]:
    def there() -> bool:
        known = [it for it in here.deliveries().values() if it.id != "msg_first"]
        return len(known) == count and all(it.progress is Progress.DELIVERED for it in known)

    await here.until(there)
    return {name: it for name, it in here.deliveries().items() if name != "msg_first"}


async def test_a_receiver_that_was_down_gets_the_same_id_again(here: World) -> None:
    async with here.courier():
        await begun(here)
        async with receiving() as receiver:
            await here.webhook(receiver.url)
        await here.drift(1)
        await here.until(lambda: any(it.attempts for it in here.deliveries().values() if it.event != TEST_EVENT))
        [waiting] = [it for it in here.deliveries().values() if it.event != TEST_EVENT]
        assert (waiting.progress, waiting.attempts[0].status) == (Progress.PENDING, None)
        assert waiting.attempts[0].error == "the receiver cannot be reached"
        async with receiving(receiver):
            here.offset += MINUTE
            known = await delivered(here, 1)
    assert receiver.ids == [waiting.id]
    assert [attempt.status for attempt in known[waiting.id].attempts] == [None, 204]


async def test_what_a_courier_left_the_next_one_goes_on_with(here: World) -> None:
    async with receiving(Receiver(answer=status(503))) as receiver:
        async with here.courier():
            await begun(here)
            await here.webhook(receiver.url)
            await here.drift(1)
            await here.until(lambda: len(receiver.received) == 1 and _tried(here, 1))
        await here.drift(2)
        receiver.answer = status(200)
        here.offset += MINUTE
        async with here.courier():
            known = await delivered(here, 2)
    assert sorted(set(receiver.ids)) == sorted(known)
    assert len(receiver.received) == 3


def _tried(here: World, attempts: int) -> bool:
    known = [it for it in here.deliveries().values() if it.event != TEST_EVENT]
    return bool(known) and all(len(it.attempts) >= attempts for it in known)


async def test_of_two_couriers_one_works(here: World) -> None:
    async with receiving() as receiver, here.courier() as one, here.courier() as other:
        await begun(here)
        await here.webhook(receiver.url)
        for number in range(20):
            await here.drift(number)
        known = await delivered(here, 20)
        assert not one.done()
        assert not other.done()
    assert sorted(receiver.ids) == sorted(known)


async def test_a_day_without_success_turns_the_webhook_off_and_tells_its_owner(here: World) -> None:
    here.letter = letter
    async with receiving(Receiver(answer=status(500))) as receiver, here.courier():
        await begun(here)
        webhook = await here.webhook(receiver.url)
        await here.drift(1)
        await here.until(lambda: _tried(here, 1))
        for attempts in range(2, 12):
            here.offset += 2 * HOUR + 30 * MINUTE
            await here.until(partial(_tried, here, attempts))
        await here.until(lambda: _of(here).progress is Progress.FAILED)
    [command] = here.commands()
    assert (command.entity, command.entity_id, command.command) == ("webhook", webhook.id, "disable")
    assert command.actor == "system:courier"
    reason = json.loads(command.arguments)["reason"]
    assert reason == "a delivery failed for 24 hours: the receiver answered 500"
    [mail] = here.letters()
    assert (mail.user, mail.recipient, mail.sealed) == (webhook.owner, "ada@example.com", f"{webhook.id}: {reason}")
    failed = _of(here)
    assert failed.attempts[-1].at >= failed.created_at + LIFETIME
    assert len(failed.attempts) == len(receiver.received)


def _of(here: World) -> Delivery:
    [delivery] = [it for it in here.deliveries().values() if it.event != TEST_EVENT]
    return delivery


async def test_gone_turns_the_webhook_off_at_once(here: World) -> None:
    async with receiving(Receiver(answer=status(410))) as receiver, here.courier():
        await begun(here)
        await here.webhook(receiver.url)
        await here.drift(1)
        await here.until(here.commands)
        await here.until(lambda: _of(here).progress is Progress.FAILED)
    assert len(receiver.received) == 1


async def test_a_test_is_sent_to_a_webhook_that_is_turned_off_and_tried_once(here: World) -> None:
    async with receiving(Receiver(answer=status(500))) as receiver, here.courier():
        webhook = await here.webhook(receiver.url, enabled=False)
        probe = _test(here, webhook.id, "msg_test")
        await here.write(here.topics.deliveries, probe.id, probe)
        await here.until(lambda: here.deliveries()["msg_test"].progress is Progress.FAILED)
    [got] = receiver.received
    got.verify(SECRET)
    assert here.commands() == []


async def test_deliveries_of_a_webhook_that_is_turned_off_are_held_and_no_new_ones_are_made(here: World) -> None:
    async with receiving(Receiver(answer=status(500))) as receiver, here.courier():
        await begun(here)
        webhook = await here.webhook(receiver.url)
        await here.drift(1)
        await here.until(lambda: _tried(here, 1))
        await here.webhook(receiver.url, enabled=False)
        probe = _test(here, webhook.id, "msg_seen")  # once it is done, the courier has seen what was before
        await here.write(here.topics.deliveries, probe.id, probe)
        await here.until(lambda: here.deliveries()["msg_seen"].progress is Progress.FAILED)
        here.offset += HOUR
        await here.drift(2)
        await asyncio.sleep(1.5)
        assert len(_of(here).attempts) == 1
        receiver.answer = status(200)
        await here.webhook(receiver.url)
        await here.until(lambda: _of(here).progress is Progress.DELIVERED)
    assert receiver.ids.count(_of(here).id) == 2


async def test_deliveries_of_a_webhook_that_is_deleted_end(here: World) -> None:
    async with receiving(Receiver(answer=status(500))) as receiver, here.courier():
        await begun(here)
        webhook = await here.webhook(receiver.url)
        await here.drift(1)
        await here.until(lambda: _tried(here, 1))
        await here.write(here.topics.webhooks, webhook.id, None)
        here.offset += 2 * MINUTE
        await here.until(lambda: _of(here).progress is Progress.FAILED)
    assert _of(here).attempts[-1].error == "the webhook was deleted"
    assert here.commands() == []


async def test_an_owner_who_may_do_nothing_any_more_is_told_nothing(here: World) -> None:
    async with receiving() as receiver, here.courier():
        await begun(here)
        await here.webhook(receiver.url)
        changes: list[dict[str, object]] = [{"status": Status.BANNED}, {"roles": []}]
        for change in changes:
            await here.user(**change)
            await asyncio.sleep(0.5)
            await here.drift(1)
            await asyncio.sleep(0.5)
        await here.user()
        await asyncio.sleep(0.5)
        await here.drift(2)
        await delivered(here, 1)
    assert len(receiver.received) == 1


async def test_one_that_is_slow_does_not_hold_up_the_others(here: World) -> None:
    async def silent(_: Delivered, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(30)

    here.settings = replace(here.settings, seconds=20.0)
    async with receiving(Receiver(script=silent)) as slow, receiving() as quick, here.courier():
        await begun(here)
        await here.webhook(slow.url, "slow")
        await here.webhook(quick.url, "quick")
        for number in range(40):
            await here.drift(number)
        await here.until(lambda: len(quick.received) == 40, 15)
        assert len(slow.received) == here.settings.attempts_each


async def test_no_more_wait_for_a_webhook_than_may(here: World) -> None:
    here.settings = replace(here.settings, pending_each=3)
    async with receiving(Receiver(answer=status(500))) as receiver, here.courier():
        await begun(here)
        await here.webhook(receiver.url)
        for number in range(5):
            await here.drift(number)
        await here.until(lambda: len([it for it in here.deliveries().values() if it.event != TEST_EVENT]) == 5)
    failed = [it for it in here.deliveries().values() if it.progress is Progress.FAILED and it.event != TEST_EVENT]
    assert len(failed) == 2
    assert {it.attempts[-1].error for it in failed} == {CROWDED}


async def test_a_webhook_whose_secret_cannot_be_opened_says_so(here: World) -> None:
    async with receiving() as receiver, here.courier():
        await begun(here)
        await here.webhook(receiver.url, secret="sealed by somebody else")
        await here.drift(1)
        await here.until(lambda: _tried(here, 1))
    assert _of(here).attempts[0].error == "the webhook's secret cannot be read: set it anew"
    assert receiver.connections == 0
