"""`python -m topologies`: one worker."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence

from pipeline import announce, heap, lifeline
from pipeline.errors import Failure, Misconfigured
from pipeline.heartbeat import Heartbeat
from pipeline.kafka.arrival import await_broker
from pipeline.kafka.group import inherit, places_of
from pipeline.refusal import status_of
from pipeline.settings import KafkaSettings
from schemas.catalogue import INPUTS, WORKERS_GROUP, group_of
from topologies.domain import Domain
from topologies.domains import NAMES, load
from topologies.engine import check_faust
from topologies.settings import WorkerSettings
from topologies.worker import Worker, create_apps

log = logging.getLogger("thalweg.worker")


def main(domains: Sequence[Domain] = ()) -> None:
    """`domains` are run in place of those that the settings name."""
    arguments = _arguments()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    logging.getLogger("aiokafka").setLevel(logging.WARNING)
    lifeline.attach(os.environ)
    heartbeat: Heartbeat | None = None
    try:
        heartbeat = Heartbeat.from_environment(os.environ, "worker")
        settings = _prepare(arguments.ordinal, arguments.domains)
        domains = domains or [load(name) for name in settings.domains]
        apps = create_apps(settings, domains)
        await_broker(settings.kafka)
        _inherit(settings.kafka, domains)
    except Failure as failure:
        log.error("%s", failure)
        sys.exit(status_of(failure, os.environ, heartbeat))

    def ready() -> None:
        heap.settle()
        announce.ready(settings.name, ",".join(domain.name for domain in domains))

    try:
        Worker(apps, heartbeat.beat, ready).execute_from_commandline()
    except SystemExit as end:
        lifeline.leave(end.code if isinstance(end.code, int) else int(end.code is not None))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m topologies",
        description="A stream processor. It joins a consumer group for each domain that it runs.",
    )
    parser.add_argument("--ordinal", type=int, default=None, help="this worker's number, from 0; names its membership")
    parser.add_argument(
        "--domains",
        metavar="NAME,NAME",
        default=None,
        help=f"what it runs, of {', '.join(NAMES)}; all of them, if it is left out. Domains that share a process share "
        "its event loop and its end: give one that is slow a process of its own",
    )
    return parser.parse_args()


def _inherit(kafka: KafkaSettings, domains: Sequence[Domain]) -> None:
    """The groups go on where the one group of all domains was. Raises LogUnavailable."""
    for domain in domains:
        group, places = group_of(domain.name), places_of(kafka, INPUTS.get(domain.name, ()))
        if count := inherit(kafka, group, WORKERS_GROUP, places):
            log.info("the group %s goes on where %s was, on %d partitions", group, WORKERS_GROUP, count)


def _prepare(ordinal: int | None, domains: str | None) -> WorkerSettings:
    """Raises Misconfigured."""
    check_faust()
    settings = WorkerSettings.from_environment(os.environ, ordinal, domains)
    try:
        settings.faust_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Misconfigured(f"THALWEG_DATA_DIR: {settings.faust_dir} cannot be made: {error.strerror}") from error
    return settings


if __name__ == "__main__":
    main()
