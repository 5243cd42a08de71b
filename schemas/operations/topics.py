"""The topics of the operations domain."""

from __future__ import annotations

from datetime import timedelta

from schemas.operations.vitals import VitalsReported
from schemas.topic import Reader, Topic, Writer

VITALS = Topic(
    *("vitals.reported.v1", VitalsReported, "process and host", Writer.WORKERS | Writer.COURIER, timedelta(hours=1)),
    partitions=1,
    readers=Reader.API,
)

TOPICS = (VITALS,)
