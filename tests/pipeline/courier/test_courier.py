"""Events go to whoever asked for them, once or again under the same id, and what becomes of each is in the log."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

from pipeline.accounts.deciders import DECIDERS
from pipeline.courier.enrolment import CROWDED
from pipeline.courier.schedule import HOUR, LIFETIME, MINUTE
from pipeline.entities.decide import Decision, command_of, decide
from pipeline.entities.decider import Command
from pipeline.entities.ledger import Ledger
from pipeline.received import Raw, Received
from schemas.accounts.traces import MailRequested
from schemas.accounts.users import Status, User
from schemas.accounts.webhooks import Progress, Webhook
from schemas.grants import Visibility
from schemas.position import Position
from tests.doubles.receiver import Delivered, Receiver, receiving, status
from tests.pipeline.courier.world import SECRET, World


def letter(webhook: Webhook, owner: User, reason: str, now: int) -> MailRequested:
    return MailRequested(owner.id, owner.email or "", "webhook_disabled", now, now, f"{webhook.id}: {reason}")


async def test_an_event_is_delivered_once_signed_and_told_of(here: World) -> None:
    async with receiving() as receiver, here.courier():
        await here.listening(receiver, "other", events=["alert.triggered"])
        await here.listening(receiver)
        await here.drift(1)
        await here.drift(1)  # a worker that crashed tells of it again
        await here.drift(2)
        known = await here.until_told(2)
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


async def test_webhooks_are_told_of_streams_that_their_owners_may_read(here: World) -> None:
    async with receiving() as receiver, here.courier():
        await here.listening(receiver)
        await here.owned("hidden", "another")
        await here.owned("mine", f"u{here.name}")
        await here.owned("ours", "another", visibility=Visibility.TEAM, members=[f"u{here.name}"])
        await here.owned("shown", "another", visibility=Visibility.PUBLIC_READ)
        for number, stream in enumerate(("hidden", "mine", "ours", "shown", "nobodys")):
            await here.drift(number, stream=stream)
        known = await here.until_told(4)
    told = [json.loads(got.body)["data"]["stream"] for got in receiver.received]
    assert sorted(told) == ["mine", "nobodys", "ours", "shown"]
    assert len(known) == 4


async def test_nothing_is_sent_for_records_that_none_of_ours_wrote(here: World) -> None:
    """Whoever reaches Kafka alone gets no post of ours to a place of theirs, and no word of theirs to a place of
    ours; and takes no webhook from its owner."""
    async with receiving() as theirs, receiving() as receiver, here.courier():
        ours = await here.listening(receiver)
        await here.forge(here.topics.webhooks, "forged", replace(ours, id="forged", url=theirs.url))
        await here.forge(here.topics.webhooks, ours.id, replace(ours, url=theirs.url, version=9, source_offset=9))
        await here.forge(here.topics.webhooks, ours.id, None)
        await here.forge(here.topics.users, ours.owner, None)
        test = await here.test(ours)
        await here.until(lambda: here.deliveries()[test].progress is not Progress.PENDING)
        said = replace(here.deliveries()[test], id="msg_forged", progress=Progress.PENDING, body=b"{}")
        await here.forge(here.topics.deliveries, said.id, said)
        await here.drift(1)
        [told] = await here.until_told(1)
    assert sorted(receiver.ids) == sorted([test, told])
    assert not theirs.received
    assert here.forgeries.count == 5


async def test_what_waits_is_not_sent_once_its_stream_may_not_be_read_any_more(here: World) -> None:
    async with here.courier():
        async with receiving() as receiver:
            await here.listening(receiver)
        await here.owned("ours", "another", visibility=Visibility.PUBLIC_READ)
        await here.drift(1, stream="ours")
        await here.until_tried(1)
        await here.owned("ours", "another")
        async with receiving(receiver):
            test = await here.test(await here.webhook(receiver.url, "seen"))  # the courier has read all before
            await here.until(lambda: here.deliveries()[test].progress is not Progress.PENDING)
            here.offset += MINUTE
            test = await here.test(await here.webhook(receiver.url, "later"))
            await here.until(lambda: here.deliveries()[test].progress is not Progress.PENDING)
            here.offset += LIFETIME
            [ended] = (await here.until_told(1, Progress.FAILED)).values()
    assert ended.attempts[0].error == "the receiver cannot be reached"
    assert ended.id not in receiver.ids


async def test_a_receiver_that_was_down_gets_the_same_id_again(here: World) -> None:
    async with here.courier():
        async with receiving() as receiver:
            await here.listening(receiver)
        await here.drift(1)
        [waiting] = await here.until_tried(1)
        assert (waiting.progress, waiting.attempts[0].status) == (Progress.PENDING, None)
        assert waiting.attempts[0].error == "the receiver cannot be reached"
        async with receiving(receiver):
            here.offset += MINUTE
            known = await here.until_told(1)
    assert receiver.ids == [waiting.id]
    assert [attempt.status for attempt in known[waiting.id].attempts] == [None, 204]


async def test_what_a_courier_left_the_next_one_goes_on_with(here: World) -> None:
    async with receiving(Receiver(answer=status(503))) as receiver:
        async with here.courier():
            await here.listening(receiver)
            await here.drift(1)
            await here.until_tried(1)
        await here.drift(2)
        receiver.answer = status(200)
        here.offset += MINUTE
        async with here.courier():
            known = await here.until_told(2)
    assert sorted(set(receiver.ids)) == sorted(known)
    assert len(receiver.received) == 3


async def test_of_two_couriers_one_works(here: World) -> None:
    async with receiving() as receiver, here.courier() as one, here.courier() as other:
        await here.listening(receiver)
        for number in range(20):
            await here.drift(number)
        known = await here.until_told(20)
        assert not one.done()
        assert not other.done()
    assert sorted(receiver.ids) == sorted(known)


async def test_when_the_one_that_works_ends_the_other_goes_on(here: World) -> None:
    async with receiving() as receiver, here.courier() as first:
        await here.listening(receiver)
        await here.drift(1)
        await here.until_told(1)
        async with here.courier():
            first.cancel()
            await asyncio.gather(first, return_exceptions=True)
            await here.drift(2)
            known = await here.until_told(2)
    assert sorted(receiver.ids) == sorted(known)


async def test_what_one_that_stood_still_says_late_is_passed_over(here: World) -> None:
    async with receiving() as receiver:
        async with here.courier():
            await here.listening(receiver)
            await here.drift(1)
            [(name, known)] = (await here.until_told(1)).items()
            late = replace(known, progress=Progress.PENDING, attempts=[], next_attempt_at=here.now())
            await here.write(here.topics.deliveries, name, late)
            await here.drift(2)
            await here.until(lambda: len(receiver.received) == 2)
        async with here.courier():
            await here.drift(3)
            await here.until(lambda: len(receiver.received) == 3)
    assert receiver.ids.count(name) == 1


async def test_a_day_without_success_turns_the_webhook_off_and_tells_its_owner(here: World) -> None:
    here.letter = letter
    async with receiving(Receiver(answer=status(500))) as receiver, here.courier():
        webhook = await here.listening(receiver)
        await here.drift(1)
        for attempts in range(1, 11):
            await here.until_tried(attempts)
            here.offset += 2 * HOUR + 30 * MINUTE
        [failed] = (await here.until_told(1, Progress.FAILED)).values()
    [command] = here.commands()
    assert (command.entity, command.entity_id, command.command) == ("webhook", webhook.id, "disable")
    assert command.actor == "system:courier"
    reason = json.loads(command.arguments)["reason"]
    assert reason == "a delivery failed for 24 hours: the receiver answered 500"
    [mail] = here.letters()
    assert (mail.user, mail.recipient, mail.sealed) == (webhook.owner, "ada@example.com", f"{webhook.id}: {reason}")
    assert failed.attempts[-1].at >= failed.created_at + LIFETIME
    assert receiver.ids == [failed.id] * len(failed.attempts)


async def test_gone_turns_the_webhook_off_at_once_as_its_decider_decides(here: World) -> None:
    async with receiving(Receiver(answer=status(410))) as receiver, here.courier():
        webhook = await here.listening(receiver)
        await here.drift(1)
        await here.until_told(1, Progress.FAILED)
    assert here.letters() == []
    assert len(receiver.received) == 1
    [asked] = here.commands()
    raw = Raw(Position(here.topics.commanded.name, 0, 99), here.now(), None, None, {})
    command = command_of(Received(asked, raw))
    assert isinstance(command, Command)
    ledger = Ledger(DECIDERS)
    ledger.put(Webhook.KIND, webhook.id, webhook)
    decision = decide(DECIDERS, ledger, command)
    assert isinstance(decision, Decision)
    assert isinstance(decision.entity, Webhook)
    assert not decision.entity.enabled
    assert decision.entity.disabled_reason == "the receiver answered 410 Gone: it wants no more"


async def test_a_webhook_that_takes_others_stays_on_though_one_delivery_fails(here: World) -> None:
    async def poisoned(got: Delivered, writer: asyncio.StreamWriter) -> None:
        writer.write(status(500 if b"poison" in got.body else 200))

    async with receiving(Receiver(script=poisoned)) as receiver, here.courier():
        await here.listening(receiver)
        await here.drift(1, "poison")
        await here.until_tried(1)
        await here.drift(2)
        await here.until(lambda: any(it.progress is Progress.DELIVERED for it in here.told().values()))
        here.offset += LIFETIME
        await here.until(lambda: any(it.progress is Progress.FAILED for it in here.told().values()))
    assert here.commands() == []


async def test_a_webhook_that_was_changed_has_another_day(here: World) -> None:
    async with receiving(Receiver(answer=status(500))) as receiver, here.courier():
        await here.listening(receiver)
        await here.drift(1)
        await here.until_tried(1)
        here.offset += HOUR
        await here.listening(receiver, description="mended")
        here.offset += LIFETIME
        await here.until_told(1, Progress.FAILED)
    assert here.commands() == []


async def test_a_test_is_sent_to_a_webhook_that_is_turned_off_and_tried_once(here: World) -> None:
    async with receiving(Receiver(answer=status(500))) as receiver, here.courier():
        name = await here.test(await here.webhook(receiver.url, enabled=False))
        await here.until(lambda: here.deliveries()[name].progress is Progress.FAILED)
    [got] = receiver.received
    got.verify(SECRET)
    assert here.commands() == []


async def test_deliveries_of_a_webhook_that_is_turned_off_are_held_and_no_new_ones_are_made(here: World) -> None:
    async with receiving(Receiver(answer=status(500))) as receiver, here.courier():
        await here.listening(receiver)
        await here.drift(1)
        await here.until_tried(1)
        await here.listening(receiver, enabled=False)
        here.offset += HOUR
        await here.drift(2)
        await here.listening(receiver, enabled=False)  # the courier has read on
        assert receiver.ids == []
        receiver.answer = status(200)
        await here.webhook(receiver.url)
        [delivery] = (await here.until_told(1)).values()
    assert [attempt.status for attempt in delivery.attempts] == [500, 200]


async def test_deliveries_of_a_webhook_that_stays_off_end_with_their_day(here: World) -> None:
    async with receiving(Receiver(answer=status(500))) as receiver, here.courier():
        await here.listening(receiver)
        await here.drift(1)
        await here.until_tried(1)
        await here.listening(receiver, enabled=False)
        here.offset += LIFETIME
        [delivery] = (await here.until_told(1, Progress.FAILED)).values()
    assert delivery.attempts[-1].error == "the webhook was turned off"
    assert here.commands() == []


async def test_deliveries_of_a_webhook_that_is_deleted_end(here: World) -> None:
    async with receiving(Receiver(answer=status(500))) as receiver, here.courier():
        webhook = await here.listening(receiver)
        await here.drift(1)
        await here.until_tried(1)
        await here.write(here.topics.webhooks, webhook.id, None)
        here.offset += 2 * MINUTE
        await here.until(lambda: all(it.attempts[-1].error is not None for it in here.told().values()))
        [delivery] = (await here.until_told(1, Progress.FAILED)).values()
    assert delivery.attempts[-1].error == "the webhook was deleted"
    assert here.commands() == []


async def test_an_owner_who_may_do_nothing_any_more_is_told_nothing(here: World) -> None:
    changes: list[dict[str, object]] = [{"status": Status.BANNED}, {"roles": []}]
    async with receiving() as receiver, here.courier():
        webhook = await here.listening(receiver)
        for number, change in enumerate(changes):
            await here.user(**change)
            await asyncio.sleep(1)
            await here.drift(number)
            await asyncio.sleep(1)
        await here.user()
        await here.listening(receiver)
        await here.drift(9)
        [delivery] = (await here.until_told(1)).values()
    assert (delivery.webhook, receiver.ids) == (webhook.id, [delivery.id])


async def test_one_that_is_slow_does_not_hold_up_the_others(here: World) -> None:
    async def silent(_: Delivered, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(60)

    here.settings = replace(here.settings, seconds=60.0)
    async with receiving() as slow, receiving() as quick, here.courier():
        await here.listening(slow, "slow")
        await here.listening(quick, "quick")
        slow.script = silent
        for number in range(40):
            await here.drift(number)
        await here.until(lambda: len(quick.received) == 40, 50)
        assert len(slow.received) == here.settings.attempts_each


async def test_no_more_wait_for_a_webhook_than_may(here: World) -> None:
    here.settings = replace(here.settings, pending_each=3)
    async with receiving(Receiver(answer=status(500))) as receiver, here.courier():
        await here.listening(receiver)
        for number in range(5):
            await here.drift(number)
        await here.until(lambda: len(here.told()) == 5)
    failed = [it for it in here.told().values() if it.progress is Progress.FAILED]
    assert len(failed) == 2
    assert {it.attempts[-1].error for it in failed} == {CROWDED}


async def test_a_webhook_whose_secret_cannot_be_opened_says_so(here: World) -> None:
    async with receiving() as receiver, here.courier():
        await here.listening(receiver, secret="sealed by somebody else")
        await here.drift(1)
        [delivery] = await here.until_tried(1)
    assert delivery.attempts[0].error == "the webhook's secret cannot be read: set it anew"
    assert receiver.connections == 0


async def test_what_is_old_is_forgotten(here: World) -> None:
    here.settings = replace(here.settings, sweep_seconds=0.2)
    async with receiving() as receiver, here.courier():
        await here.listening(receiver)
        await here.drift(1)
        [name] = await here.until_told(1)
        here.offset += 8 * 24 * HOUR
        await here.until(lambda: name in here.forgotten())
