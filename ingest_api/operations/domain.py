"""The operations domain in the API: what workers report, and the health that follows from it."""

from __future__ import annotations

from ingest_api.alarms import Alarms
from ingest_api.domain import Domain, Opened, Shared
from ingest_api.vitality import WorkersPart, probes, workers_of
from pipeline.kafka.view import Shelf
from schemas.codec import Codec
from schemas.operations.topics import VITALS
from schemas.operations.vitals import VitalsReported


def open_operations(shared: Shared) -> Opened:
    vitals = shared.views.of(VitalsReported)
    workers, alarms = workers_of(shared.kafka, vitals, shared.clock), Alarms(shared.forgeries, shared.clock)
    vitals.watch(alarms.hear)
    return Opened(
        readers=(WorkersPart(workers),),
        probes=probes(shared.kafka, workers, alarms, shared.reader, shared.clock),
        notes=alarms.notes,
    )


def shelves(codec: Codec) -> list[Shelf[VitalsReported]]:
    return [Shelf(VITALS, VitalsReported, codec)]


DOMAIN = Domain("operations", open=open_operations, shelves=shelves)
