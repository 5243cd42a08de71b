"""`python -m topologies`: one worker."""

from __future__ import annotations

import argparse
import logging
import os
import sys

import faust

from pipeline import lifeline
from pipeline.errors import Failure
from topologies.app import create_app, until_ready
from topologies.engine import check_faust
from topologies.settings import WorkerSettings


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m topologies", description="A stream processor of the workers' group."
    )
    parser.add_argument("--ordinal", type=int, default=None, help="this worker's number, from 0; names its membership")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    logging.getLogger("aiokafka").setLevel(logging.WARNING)
    lifeline.attach(os.environ)
    try:
        check_faust()
        settings = WorkerSettings.from_environment(os.environ, arguments.ordinal)
        settings.faust_dir.mkdir(parents=True, exist_ok=True)
        app = create_app(settings)
    except Failure as failure:
        sys.exit(f"thalweg worker: {failure}")

    async def announce() -> None:
        await until_ready(app)
        sys.stdout.write(f"THALWEG READY {settings.name} kafka://{settings.kafka.bootstrap}\n")
        sys.stdout.flush()

    app.task(announce)

    faust.Worker(app, loglevel="INFO", override_logging=False).execute_from_commandline()


if __name__ == "__main__":
    main()
