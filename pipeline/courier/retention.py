"""Which deliveries that have ended are forgotten. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping

from pipeline.courier.schedule import HOUR, MINUTE
from schemas.accounts.webhooks import Delivery, Progress
from schemas.position import Position

KEPT = 7 * 24 * HOUR
KEPT_EACH = 100
"""Of one webhook."""
KEPT_AT_LEAST = MINUTE
"""A worker that crashed may tell of the same event again within seconds."""


def forgettable(
    deliveries: Iterable[Delivery],
    now: int,
    read: Mapping[tuple[str, int], int],
    webhooks: Container[str] | None = None,
) -> list[str]:
    """Ids of what ended more than seven days ago, of what is not among its webhook's last hundred, and of what is of
    none of the `webhooks` any more: nobody can look at it. `read` are the offsets with which the next courier would
    begin: what it would read again must still be known."""
    ended: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for delivery in deliveries:
        if delivery.progress is not Progress.PENDING and not _read_again(delivery, read):
            ended[delivery.webhook].append((ended_at(delivery), delivery.id))
    return [
        name
        for webhook, of_one in ended.items()
        for place, (at, name) in enumerate(sorted(of_one, reverse=True))
        if now - at > (KEPT if place < KEPT_EACH and (webhooks is None or webhook in webhooks) else KEPT_AT_LEAST)
    ]


def ended_at(delivery: Delivery) -> int:
    return delivery.attempts[-1].at if delivery.attempts else delivery.created_at


def _read_again(delivery: Delivery, read: Mapping[tuple[str, int], int]) -> bool:
    if delivery.source is None:
        return False
    position = Position.parse(delivery.source)
    return position.offset >= read.get((position.topic, position.partition), 0)
