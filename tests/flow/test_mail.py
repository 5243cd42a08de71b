"""The courier as a process sends the mails that are asked for, or shows them where nobody else can look."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pipeline.accounts.letters import verify_email
from pipeline.accounts.sealing import Seals, SealSettings
from pipeline.clock import now
from pipeline.kafka.producer import Producer
from pipeline.kafka.provision import provision
from pipeline.settings import KafkaSettings
from pipeline.signatures import Signatures
from schemas.accounts.topics import MAIL
from schemas.codec import Codec
from tests.flow.child import ACCOUNT_SECRETS, Child, courier
from tests.pipeline.courier.mailbox import Mailbox
from tests.pipeline.kafka.topics import until

pytestmark = [pytest.mark.flow, pytest.mark.timeout(240)]

SECRET = "a secret of thirty-two characters"
SECRETS = f"{ACCOUNT_SECRETS},k1:{SECRET}"
SIGNATURES = Signatures.from_environment({"THALWEG_ACCOUNT_SECRETS": SECRETS})
HOUR = 3_600_000_000


@pytest.fixture
async def user(kafka_bootstrap: str) -> AsyncIterator[str]:
    """One who was just written to."""
    name, kafka, at = f"u-{uuid.uuid4().hex[:8]}", KafkaSettings(kafka_bootstrap), now()
    await asyncio.to_thread(provision, kafka)
    seals = Seals(SealSettings((SECRET,)))
    mail = verify_email(
        seals, name, f"{name}@example.org", "Ada", f"tok-{name}", "http://127.0.0.1:8000", at, at + HOUR
    )
    producer = Producer(kafka, "test", signatures=SIGNATURES)
    await producer.send(MAIL.name, Codec().encode(mail), key=name.encode())
    yield name
    await producer.close()


def told(kafka_bootstrap: str, **more: str) -> dict[str, str]:
    return {
        "THALWEG_KAFKA_BOOTSTRAP": kafka_bootstrap,
        "THALWEG_ACCOUNT_SECRETS": SECRETS,
        "THALWEG_COURIER_GROUP": f"courier-{uuid.uuid4().hex[:8]}",
        **more,
    }


async def logged(child: Child, words: str) -> str:
    """The log, once it holds these words."""
    await until(lambda: words in child.log.read_text("utf-8"), 120)
    return child.log.read_text("utf-8")


async def test_the_courier_hands_a_mail_to_the_server_it_is_told_of(
    kafka_bootstrap: str, user: str, tmp_path: Path
) -> None:
    mailbox = Mailbox()
    server = f"smtp://127.0.0.1:{mailbox.port}?starttls=never"
    child = courier(told(kafka_bootstrap, THALWEG_SMTP_URL=server, THALWEG_MAIL_FROM="t@example.com"), tmp_path)
    with mailbox.open():
        await asyncio.to_thread(child.start)
        await until(lambda: mailbox.asked[f"{user}@example.org"], 120)
        said = await logged(child, f"{user!r} ('verify_email'")
        assert await asyncio.to_thread(child.stop) == 0
    [got] = [mail for mail in mailbox.taken if mail["To"] == f"{user}@example.org"]
    assert f"tok-{user}" in got.get_content()
    assert f"tok-{user}" not in said


async def test_the_courier_shows_a_mail_only_when_told_that_the_api_is_on_loopback(
    kafka_bootstrap: str, user: str, tmp_path: Path
) -> None:
    child = courier(told(kafka_bootstrap, THALWEG_API_HOST="127.0.0.1"), tmp_path)
    await asyncio.to_thread(child.start)
    assert f"  | tok-{user}\n" in await logged(child, f"{user!r} ('verify_email'")
    assert await asyncio.to_thread(child.stop) == 0


async def test_a_courier_that_is_told_nothing_shows_nothing(kafka_bootstrap: str, user: str, tmp_path: Path) -> None:
    child = courier(told(kafka_bootstrap), tmp_path)
    await asyncio.to_thread(child.start)
    said = await logged(child, f"{user!r} ('verify_email'")
    assert "THALWEG_SMTP_URL is not set" in said
    assert f"tok-{user}" not in said
    assert await asyncio.to_thread(child.stop) == 0
