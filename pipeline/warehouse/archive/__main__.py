"""`python -m pipeline.warehouse.archive`: runs until SIGTERM, with settings from the environment."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time

from pipeline import announce, heap, lifeline
from pipeline.errors import Failure, Unavailable
from pipeline.heartbeat import Heartbeat
from pipeline.kafka.registry import schemas
from pipeline.refusal import status_of
from pipeline.settings import KafkaSettings, WarehouseSettings
from pipeline.warehouse.archive.archive import Archive
from pipeline.warehouse.archive.patience import Patience
from pipeline.warehouse.archive.settings import ArchiveSettings
from pipeline.warehouse.connection import Connection
from pipeline.warehouse.retention import Retention
from pipeline.warehouse.tables import bring_up_to_date
from schemas.codec import Codec

log = logging.getLogger("pipeline.warehouse.archive")


def main() -> int:
    lifeline.attach(os.environ)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    heartbeat: Heartbeat | None = None
    try:
        heartbeat = Heartbeat.from_environment(os.environ, "archive")
        _run(stop, heartbeat)
    except Failure as failure:
        log.error("%s", failure)
        return status_of(failure, os.environ, heartbeat)
    except Exception:
        log.exception("the archive ends")
        return 1
    return 0


def _run(stop: threading.Event, heartbeat: Heartbeat) -> None:
    warehouse = WarehouseSettings.from_environment(os.environ)
    settings = ArchiveSettings.from_environment(os.environ)
    retention = Retention.from_environment(os.environ)
    kafka = KafkaSettings.from_environment(os.environ)
    _prepare(warehouse, retention, stop, heartbeat)
    connection = Connection(warehouse)
    archive = Archive(kafka, connection, Codec(schemas(kafka.registry_url)), settings)
    heap.settle()
    announce.ready("archive", f"http://{connection.where}/{connection.database}")
    archive.run(stop, heartbeat.beat)


def _prepare(warehouse: WarehouseSettings, retention: Retention, stop: threading.Event, heartbeat: Heartbeat) -> None:
    """The tables brought up to date, as soon as the warehouse answers."""
    patience = Patience()
    while not stop.is_set():
        heartbeat.beat(False)
        if patience.over(time.monotonic()):
            try:
                bring_up_to_date(warehouse, retention)
                return
            except Unavailable as error:
                patience.lost(time.monotonic(), error)
        stop.wait(0.05)


if __name__ == "__main__":
    status = main()
    logging.shutdown()
    sys.stdout.flush()
    os._exit(status)  # an insert may still wait for a warehouse that is gone, and its thread would be waited for
