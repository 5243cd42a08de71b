"""`python -m pipeline.courier`: sends webhooks until SIGTERM, with settings from the environment."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys

from pipeline import heap, lifeline
from pipeline.accounts.sealing import VARIABLE, Seals, SealSettings
from pipeline.clock import now
from pipeline.courier.books import Topics
from pipeline.courier.courier import Courier, first
from pipeline.courier.post import Post
from pipeline.courier.settings import CourierSettings
from pipeline.courier.term import Term
from pipeline.errors import Failure, LogUnavailable, Misconfigured
from pipeline.kafka.provision import existing
from pipeline.kafka.registry import schemas
from pipeline.settings import Environment, KafkaSettings
from schemas.codec import Codec

log = logging.getLogger("pipeline.courier")
WAIT_SECONDS = 2.0


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    lifeline.attach(os.environ)
    try:
        asyncio.run(_serve(os.environ))
    except Misconfigured as failure:
        log.error("%s", failure)
        return 78  # EX_CONFIG
    except Failure as failure:
        log.error("%s", failure)
        return 1
    except Exception:
        log.exception("the courier ends")
        return 1
    return 0


async def _serve(environ: Environment) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    kafka = KafkaSettings.from_environment(environ)
    seals = _seals(environ)
    settings = CourierSettings.from_environment(environ)
    await first(stop.wait(), _await_broker(kafka))
    if stop.is_set():
        return
    jobs = [_webhooks(kafka, settings, seals)]
    heap.settle()
    _say(f"READY courier kafka://{kafka.bootstrap}")
    await first(stop.wait(), *(job.run() for job in jobs))


def _webhooks(kafka: KafkaSettings, settings: CourierSettings, seals: Seals) -> Courier:
    codec, topics = Codec(schemas(kafka.registry_url)), Topics()
    post = Post(settings.allowed, seconds=settings.seconds, connect_seconds=settings.connect_seconds)

    def term() -> Term:
        return Term(kafka, codec, settings, seals, post, now, topics=topics, letter=None)

    return Courier(kafka, settings, topics.deliveries, term)


def _seals(environ: Environment) -> Seals:
    """Raises Misconfigured."""
    settings = SealSettings.from_environment(environ)
    if not settings.secrets:
        raise Misconfigured(f"{VARIABLE} must be set, as it is for the API: webhooks' secrets are sealed with it")
    return Seals(settings)


async def _await_broker(kafka: KafkaSettings) -> None:
    told = False
    while True:
        try:
            await asyncio.to_thread(existing, kafka, WAIT_SECONDS)
            return
        except LogUnavailable as failure:
            if not told:
                log.warning("waiting: %s", failure)
                _say(f"PROGRESS waiting for Kafka at {kafka.bootstrap}")
            told = True


def _say(what: str) -> None:
    """To whoever supervises this process."""
    sys.stdout.write(f"THALWEG {what}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    status = main()
    logging.shutdown()
    sys.stdout.flush()
    os._exit(status)  # a resolver may still wait for an answer, and its thread would be waited for
