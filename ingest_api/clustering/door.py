"""What the clustering routes work with."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import HTTPConnection

from ingest_api.clustering.streams import Streams
from ingest_api.gate import Gate
from ingest_api.problems import Busy
from ingest_api.replies import Replies
from ingest_api.wiring import wiring_of
from pipeline.clock import Clock
from pipeline.warehouse.reader import Reader
from schemas.codec import Codec


@dataclass(frozen=True)
class ClusteringDoor:
    """A part of the wiring that is ready when those it names are."""

    gate: Gate
    replies: Replies
    streams: Streams
    reader: Reader
    codec: Codec
    clock: Clock
    max_points: int
    name: str = "clustering"

    async def start(self) -> None:
        """A caller that is answered about a position reads at least that position."""
        self.replies.watch(self.streams.heed)

    async def stop(self) -> None:
        """Its parts are stopped by the wiring."""


def door_of(connection: HTTPConnection) -> ClusteringDoor:
    """The door of the application that serves this connection. Raises Busy where it has none."""
    for part in wiring_of(connection).parts:
        if isinstance(part, ClusteringDoor):
            return part
    raise Busy("This server has no clustering street", 60.0)
