"""What the clustering routes work with."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import HTTPConnection

from ingest_api.clustering.streams import Streams
from ingest_api.clustering.submit import Order, Work
from ingest_api.entities.orders import Author
from ingest_api.gate import Gate
from ingest_api.grants import Grants, reads
from ingest_api.inquiry import Inquiry
from ingest_api.principal import Principal
from ingest_api.replies import Replies
from ingest_api.wiring import context_of
from pipeline.clock import Clock
from pipeline.warehouse.reader import Reader
from schemas.clustering.clusters import ClustersUpdated
from schemas.clustering.points import Action
from schemas.codec import Codec
from schemas.exchange import Replied


@dataclass(frozen=True)
class ClusteringDoor:
    """A part of the wiring that is ready when those it names are."""

    gate: Gate
    replies: Replies
    streams: Streams
    grants: Grants
    reader: Reader
    codec: Codec
    clock: Clock
    max_points: int
    name: str = "clustering"

    async def start(self) -> None:
        """A caller that is answered about a position reads at least that position."""
        self.replies.watch(self._heed)

    async def stop(self) -> None:
        """Its parts are stopped by the wiring."""

    async def key_to_write(self, connection: HTTPConnection, principal: Principal, name: str) -> str:
        """The key of the stream that the caller writes to by a name. Raises Conflict, Busy."""
        author = Author(principal.id, connection.client.host if connection.client else None)
        return await self.grants.key_to_write(principal, author, name)

    async def read(self, principal: Principal, name: str) -> tuple[str, ClustersUpdated | None]:
        """The key of the stream that the caller means by a name, and the stream as of now; None where it does not
        exist, or not for this caller."""
        key = self.grants.key_of(principal, name)
        readable = reads(self.grants, self.grants.party(principal), key)
        return key, await self.streams.read(key) if readable else None

    def _heed(self, inquiry: Inquiry, reply: Replied) -> None:
        """Not of a deletion, after which nothing comes; nor of a refusal that begins no stream."""
        context = inquiry.context
        if isinstance(context, Order) and context.action is Action.DELETE:
            return
        if isinstance(context, Work | Order) and (reply.reason is None or context.stream in self.streams.entries):
            self.streams.heed(context.stream, reply.source_offset)


def door_of(connection: HTTPConnection) -> ClusteringDoor:
    """The door of the application that serves this connection. Raises Busy where it has none."""
    return context_of(connection, ClusteringDoor, "clustering street")
