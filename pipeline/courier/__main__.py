"""`python -m pipeline.courier`: sends webhooks and mail until SIGTERM, with settings from the environment."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from dataclasses import replace

from pipeline import announce, heap, lifeline
from pipeline.account_secrets import VARIABLE
from pipeline.accounts.letters import webhook_disabled
from pipeline.accounts.mail import MailSettings
from pipeline.accounts.sealing import Seals, SealSettings
from pipeline.clock import now
from pipeline.courier.books import Topics
from pipeline.courier.courier import Courier, first
from pipeline.courier.mailer import Mailer
from pipeline.courier.post import Post
from pipeline.courier.settings import CourierSettings
from pipeline.courier.term import Term
from pipeline.courier.vitals import report
from pipeline.errors import Failure, Misconfigured
from pipeline.forgeries import Forgeries
from pipeline.heartbeat import EVERY_SECONDS, Heartbeat
from pipeline.kafka.arrival import await_broker
from pipeline.kafka.guard import Guard
from pipeline.kafka.registry import schemas
from pipeline.refusal import status_of
from pipeline.settings import Environment, KafkaSettings
from pipeline.signatures import Signatures
from schemas.accounts.traces import MailRequested
from schemas.accounts.users import User
from schemas.accounts.webhooks import Webhook
from schemas.codec import Codec

log = logging.getLogger("pipeline.courier")


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    lifeline.attach(os.environ)
    heartbeat: Heartbeat | None = None
    try:
        heartbeat = Heartbeat.from_environment(os.environ, "courier")
        asyncio.run(_serve(os.environ, heartbeat))
    except Failure as failure:
        log.error("%s", failure)
        return status_of(failure, os.environ, heartbeat)
    except Exception:
        log.exception("the courier ends")
        return 1
    return 0


async def _serve(environ: Environment, heartbeat: Heartbeat) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    kafka = KafkaSettings.from_environment(environ)
    seals = _seals(environ)
    settings, mail = CourierSettings.from_environment(environ), _mail(environ)
    await asyncio.to_thread(await_broker, kafka, stop.is_set)
    if stop.is_set():
        return
    codec = Codec(schemas(kafka.registry_url))
    signatures = Signatures.from_environment(environ)
    forgeries = Forgeries()
    guard = None if signatures is None else Guard(signatures, forgeries)
    webhooks = _webhooks(kafka, codec, settings, seals, signatures, forgeries)
    mailer = Mailer(kafka, codec, seals, mail, now, guard=guard)
    heap.settle()
    announce.ready("courier", f"kafka://{kafka.bootstrap}")
    vitals = report(kafka, codec, lambda: webhooks.joined, forgeries, now)
    await first(stop.wait(), webhooks.run(), mailer.run(), _beat(heartbeat, webhooks), vitals)


async def _beat(heartbeat: Heartbeat, webhooks: Courier) -> None:
    while True:
        heartbeat.beat(webhooks.joined)
        await asyncio.sleep(EVERY_SECONDS)


def _webhooks(
    kafka: KafkaSettings,
    codec: Codec,
    settings: CourierSettings,
    seals: Seals,
    signatures: Signatures | None,
    forgeries: Forgeries,
) -> Courier:
    topics = Topics()
    post = Post(settings.allowed, seconds=settings.seconds, connect_seconds=settings.connect_seconds)

    def letter(webhook: Webhook, owner: User, reason: str, at: int) -> MailRequested:
        return webhook_disabled(seals, owner.id, owner.email or "", webhook.url, reason, at)

    def term() -> Term:
        return Term(
            *(kafka, codec, settings, seals, post, now),
            topics=topics,
            letter=letter,
            signatures=signatures,
            forgeries=forgeries,
        )

    return Courier(kafka, settings, topics.deliveries, term)


def _mail(environ: Environment) -> MailSettings:
    """Where the API listens is another process's matter: unless this one is told, no mail is shown. Raises
    Misconfigured."""
    settings = MailSettings.from_environment(environ)
    return settings if environ.get("THALWEG_API_HOST") else replace(settings, shown=False)


def _seals(environ: Environment) -> Seals:
    """Raises Misconfigured."""
    settings = SealSettings.from_environment(environ)
    if not settings.secrets:
        raise Misconfigured(f"{VARIABLE} must be set, as it is for the API: webhooks' secrets are sealed with it")
    return Seals(settings)


if __name__ == "__main__":
    lifeline.leave(main())  # a resolver may still wait for an answer, and its thread would be waited for
