"""Mails that are asked for in the log arrive at a real mail server, each of them, whatever happens to the others."""

from __future__ import annotations

import logging
import uuid
from dataclasses import replace

import pytest

from pipeline.accounts.mail import MailSettings
from pipeline.accounts.sealing import Seals, SealSettings
from pipeline.courier.mailer import Pace
from pipeline.forgeries import Forgeries
from pipeline.kafka.browse import stretch
from pipeline.kafka.guard import Guard
from pipeline.kafka.producer import Producer
from pipeline.settings import KafkaSettings
from pipeline.signatures import Signatures
from schemas.accounts.traces import MailRequested
from schemas.codec import Codec
from tests.pipeline.courier.mailbox import Mailbox
from tests.pipeline.courier.postmaster import HOUR, QUICK, Postmaster
from tests.pipeline.kafka.topics import Topics, until

LOGGER = "pipeline.courier.mailer"


@pytest.fixture
def post(kafka_bootstrap: str) -> Postmaster:
    kafka = KafkaSettings(kafka_bootstrap)
    topics = Topics(kafka)
    return Postmaster(kafka, topics, topics.make(1), Mailbox())


@pytest.fixture(autouse=True)
def _telling(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, LOGGER)


async def test_mails_arrive_in_order_and_none_twice_when_another_mailer_goes_on(post: Postmaster) -> None:
    with post.mailbox.open():
        post.ask("first")
        post.ask("second")
        async with post.mailer():
            await until(lambda: len(post.mailbox.taken) == 2)
            post.ask("third")
            await until(lambda: len(post.mailbox.taken) == 3)
            await until(lambda: post.offset() == 3)
        post.ask("fourth")
        async with post.mailer():
            await until(lambda: len(post.mailbox.taken) == 4)
    assert post.mailbox.subjects() == ["first", "second", "third", "fourth"]
    [text] = {str(mail.get_content()).strip() for mail in post.mailbox.taken[:1]}
    assert text == "the text of first"


async def test_a_mail_that_is_sent_again_after_a_crash_is_the_same_mail_and_two_mails_never_are(
    post: Postmaster,
) -> None:
    with post.mailbox.open():
        post.ask("first")
        post.ask("second")
        async with post.mailer():
            await until(lambda: len(post.mailbox.taken) == 2)
        async with replace(post, group=f"g{uuid.uuid4().hex[:8]}").mailer():  # knows nothing of what was committed
            await until(lambda: len(post.mailbox.taken) == 4)
    ids = [mail["Message-ID"] for mail in post.mailbox.taken]
    assert ids[:2] == ids[2:]
    assert len(set(ids)) == 2


async def test_a_recipient_who_is_to_be_tried_later_is_and_holds_nobody_up(post: Postmaster) -> None:
    post.mailbox.to_recipient["grey@example.org"] += ["450 4.7.1 Greylisted"] * 3
    with post.mailbox.open():
        post.ask("grey", "grey@example.org")
        post.ask("other")
        async with post.mailer():
            await until(lambda: len(post.mailbox.taken) == 2)
            await until(lambda: post.offset() == 2)
    assert post.mailbox.subjects() == ["other", "grey"]
    assert post.mailbox.asked["grey@example.org"] == 4


async def test_what_waits_is_not_committed_and_waits_on_in_the_next_mailer(post: Postmaster) -> None:
    post.mailbox.to_recipient["grey@example.org"] += ["450 4.7.1 Greylisted"] * 1000
    with post.mailbox.open():
        post.ask("before")
        post.ask("grey", "grey@example.org")
        post.ask("after")
        async with post.mailer():
            await until(lambda: len(post.mailbox.taken) == 2)
            await until(lambda: post.offset() == 1)
        post.mailbox.to_recipient.clear()
        async with post.mailer():
            await until(lambda: "grey" in post.mailbox.subjects())


async def test_no_more_than_so_many_wait_and_then_nothing_more_is_read(post: Postmaster) -> None:
    post.mailbox.to_recipient["grey@example.org"] += ["450 4.7.1 Greylisted"] * 4
    for number in range(2):
        post.ask(f"grey {number}", "grey@example.org")
    post.ask("other")
    with post.mailbox.open():
        async with post.with_pace(Pace(first_s=0.5, longest_s=0.5, most_waiting=2)).mailer():
            await until(lambda: len(post.mailbox.taken) == 3)
    assert post.mailbox.subjects()[-1] == "other"


async def test_a_mail_that_is_refused_for_good_is_given_up_and_its_content_is_not_told(
    post: Postmaster, caplog: pytest.LogCaptureFixture
) -> None:
    post.mailbox.to_recipient["nobody@example.org"].append("550 5.1.1 no such user")
    post.mailbox.to_data["spam@example.org"].append("554 5.7.1 I do not like: the text of spam")
    with post.mailbox.open():
        post.ask("nobody", "nobody@example.org")
        post.ask("spam", "spam@example.org")
        post.ask("other")
        async with post.mailer():
            await until(lambda: post.mailbox.taken)
            await until(lambda: post.offset() == 3)
    errors = [it.getMessage() for it in caplog.records if it.levelno == logging.ERROR]
    assert len(errors) == 2
    assert all("u-1" in error and "verify_email" in error for error in errors)
    assert "550 5.1.1" in errors[0]
    assert "the text" not in caplog.text
    assert "nobody@example.org" not in caplog.text


async def test_mails_wait_for_a_server_that_is_away(post: Postmaster, caplog: pytest.LogCaptureFixture) -> None:
    post.ask("first")
    post.ask("second")
    async with post.mailer():
        await until(lambda: caplog.text.count("is away") > 1)
        assert post.offset() is None
        with post.mailbox.open():
            await until(lambda: len(post.mailbox.taken) == 2)
    assert post.mailbox.subjects() == ["first", "second"]


async def test_a_mail_is_not_sent_once_it_has_expired(post: Postmaster, caplog: pytest.LogCaptureFixture) -> None:
    post.ask("late", life=-1)
    post.ask("late at last", life=HOUR)
    async with post.mailer():
        await until(lambda: "is away" in caplog.text)
        post.ahead = HOUR
        with post.mailbox.open():
            post.ask("in time", life=2 * HOUR)
            await until(lambda: post.mailbox.taken)
    assert post.mailbox.subjects() == ["in time"]
    assert caplog.text.count("has expired") == 2


async def test_what_is_no_mail_or_cannot_be_opened_or_addressed_is_passed_over(
    post: Postmaster, caplog: pytest.LogCaptureFixture
) -> None:
    post.write(b"no mail")
    post.write(None)
    post.ask("stranger", seals=Seals(SealSettings.passing()))
    post.ask("two", "ada@example.org, eve@example.org")
    post.ask("inject\r\nBcc: eve@example.org")
    post.ask("good")
    with post.mailbox.open():
        async with post.mailer():
            await until(lambda: post.mailbox.taken)
            await until(lambda: post.offset() == 6)
    assert post.mailbox.subjects() == ["good"]
    assert "eve@example.org" not in caplog.text


async def test_a_letter_of_ours_that_somebody_else_addresses_to_himself_is_not_sent(
    post: Postmaster,
) -> None:
    """Sealed letters lie in the log, and hold what resets a password."""
    signatures, forgeries = Signatures({"k1": b"a" * 32}, frozenset({post.topic})), Forgeries()
    guarded = replace(post, guard=Guard(signatures, forgeries))
    producer = Producer(post.kafka, "test", signatures=signatures)
    guarded.ask("reset", "eve@example.org")
    [asked] = stretch(post.kafka, post.topic)
    mail = replace(Codec().decode(asked.value or b"", MailRequested), recipient="ada@example.org")
    await producer.send(post.topic, Codec().encode(mail), key=b"u-1", partition=asked.partition)
    await producer.close()
    with post.mailbox.open():
        async with guarded.mailer():
            await until(lambda: post.mailbox.taken)
            await until(lambda: post.offset() == 2)
    assert [mail["To"] for mail in post.mailbox.taken] == ["ada@example.org"]
    assert forgeries.count == 1


async def test_without_a_server_a_mail_is_shown_in_the_log_of_a_machine_that_nobody_else_reaches(
    post: Postmaster, caplog: pytest.LogCaptureFixture
) -> None:
    post.ask("Hello")
    async with post.mailer(MailSettings()):
        await until(lambda: "DEVELOPMENT MAIL" in caplog.text)
    [shown] = [it for it in caplog.records if "DEVELOPMENT MAIL" in it.getMessage()]
    assert shown.levelno == logging.WARNING
    assert shown.getMessage().splitlines()[1:] == [
        "  | To: ada@example.org",
        "  | Subject: Hello",
        "  |",
        "  | the text of Hello",
    ]


async def test_without_a_server_and_in_reach_of_others_the_log_says_no_more_than_that_it_could_not_be_sent(
    post: Postmaster, caplog: pytest.LogCaptureFixture
) -> None:
    post.ask("Hello", life=HOUR)
    async with post.mailer(MailSettings(shown=False)):
        await until(lambda: "THALWEG_SMTP_URL is not set" in caplog.text)
        await until(lambda: post.offset() == 1)
    assert "u-1" in caplog.text
    assert "Hello" not in caplog.text
    assert "ada@example.org" not in caplog.text


async def test_a_mailer_that_is_cancelled_hears_the_server_out_and_leaves_its_group_at_once(post: Postmaster) -> None:
    post.mailbox.pause = 0.5
    with post.mailbox.open():
        post.ask("first")
        async with post.mailer():
            await until(lambda: post.mailbox.taken)
        assert post.offset() == 1
        post.ask("second")
        async with post.mailer():
            await until(lambda: len(post.mailbox.taken) == 2, 9)  # less than the session, by which a dead one goes
    assert post.mailbox.subjects() == ["first", "second"]


async def test_a_server_that_does_not_come_to_an_end_is_not_waited_for_when_the_mailer_is_cancelled(
    post: Postmaster,
) -> None:
    post.mailbox.pause = 8.0  # less than the mailer's patience
    with post.mailbox.open():
        post.ask("first")
        async with post.mailer():
            await until(lambda: post.mailbox.taken)
        assert not post.offset()
        post.mailbox.pause = 0.0
        async with post.mailer():
            await until(lambda: post.offset() == 1)
    assert post.mailbox.subjects() == ["first", "first"]


async def test_one_mailbox_gets_so_many_mails_an_hour_and_others_theirs(
    post: Postmaster, caplog: pytest.LogCaptureFixture
) -> None:
    asked = post.with_pace(replace(QUICK, most_an_hour=2))
    with post.mailbox.open():
        for number, address in enumerate(("ada@example.org", "Ada@Example.org", "ADA@example.org", "bob@example.org")):
            asked.ask(f"m{number}", address)
        async with asked.mailer():
            await until(lambda: post.offset() == 4)
            assert post.mailbox.subjects() == ["m0", "m1", "m3"]
            assert "its address got 2 within the hour" in caplog.text
            asked.ahead = 2 * HOUR
            asked.ask("m4", life=4 * HOUR)
            await until(lambda: post.offset() == 5)
    assert post.mailbox.subjects() == ["m0", "m1", "m3", "m4"]


async def test_a_mailbox_that_takes_nothing_holds_up_no_more_than_its_own(post: Postmaster) -> None:
    asked = post.with_pace(Pace(first_s=60, longest_s=60, most_waiting=4, most_waiting_each=2))
    post.mailbox.to_recipient["full@example.org"] = ["451 later"] * 50
    with post.mailbox.open():
        for number in range(8):
            asked.ask(f"f{number}", "full@example.org")
        asked.ask("hers", "ada@example.org")
        async with asked.mailer():
            await until(lambda: post.mailbox.subjects() == ["hers"])
