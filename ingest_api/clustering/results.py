"""How `GET /api/v1/requests/{request_id}` tells of points and of a stream's resets and deletions."""

from __future__ import annotations

from typing import Any

from ingest_api.clustering import answers
from ingest_api.clustering.door import ClusteringDoor
from ingest_api.clustering.submit import Order, Work, refused
from ingest_api.inquiry import Inquiry
from ingest_api.results import Results, Stored


def of(door: ClusteringDoor) -> Results:
    """Told with what the routes work with."""

    def done(inquiry: Inquiry) -> dict[str, Any]:
        context = inquiry.context
        if isinstance(context, Work):
            replies = [reply for reply in inquiry.replies if reply is not None]
            result = answers.points_result(context, answers.told_of(replies, door.codec))
            return {"result": result, "total_points": result["total_points"]}
        assert isinstance(context, Order), context
        return {"result": {"stream": context.stream, "action": context.action}}

    async def stored(request_id: str) -> Stored | None:
        rows = await door.reader.request_rows(request_id)
        if not rows.batches:
            return None
        return Stored(rows.source, rows.batches[0].stream, rows.positions, {"total_points": rows.points})

    return Results((Work, Order), lambda context: context.stream, refused, done, stored)
