"""`python -m topologies`: one worker."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys

import faust

from pipeline import announce, heap, lifeline
from pipeline.errors import Failure, Misconfigured
from pipeline.heartbeat import EVERY_SECONDS, Heartbeat
from pipeline.kafka.arrival import await_broker
from pipeline.refusal import status_of
from topologies.app import create_app
from topologies.engine import check_faust
from topologies.readiness import is_ready, until_ready
from topologies.settings import WorkerSettings

log = logging.getLogger("thalweg.worker")


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m topologies", description="A stream processor of the workers' group."
    )
    parser.add_argument("--ordinal", type=int, default=None, help="this worker's number, from 0; names its membership")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    logging.getLogger("aiokafka").setLevel(logging.WARNING)
    lifeline.attach(os.environ)
    heartbeat: Heartbeat | None = None
    try:
        heartbeat = Heartbeat.from_environment(os.environ, "worker")
        settings = _prepare(arguments.ordinal)
        announce.progress("loading the learner; the first time it is compiled, which takes a minute")
        app = create_app(settings)
        await_broker(settings.kafka)
    except Failure as failure:
        log.error("%s", failure)
        sys.exit(status_of(failure, os.environ, heartbeat))

    async def beat() -> None:
        while True:
            heartbeat.beat(is_ready(app))
            await asyncio.sleep(EVERY_SECONDS)

    async def tell() -> None:
        await until_ready(app)
        heap.settle()
        announce.ready(settings.name, f"kafka://{settings.kafka.bootstrap}")

    app.task(beat)
    app.task(tell)

    worker = faust.Worker(app, loglevel="INFO", override_logging=False, quiet=True)
    worker.spinner = None  # it draws on a terminal; a supervisor would take its strokes for the worker's last words
    try:
        worker.execute_from_commandline()
    except SystemExit as end:
        lifeline.leave(end.code if isinstance(end.code, int) else int(end.code is not None))


def _prepare(ordinal: int | None) -> WorkerSettings:
    """Raises Misconfigured."""
    check_faust()
    settings = WorkerSettings.from_environment(os.environ, ordinal)
    try:
        settings.faust_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Misconfigured(f"THALWEG_DATA_DIR: {settings.faust_dir} cannot be made: {error.strerror}") from error
    return settings


if __name__ == "__main__":
    main()
