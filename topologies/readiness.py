"""Whether a worker processes what it holds."""

from __future__ import annotations

import asyncio

import faust


async def until_ready(app: faust.App) -> None:
    """Returns once the worker has its partitions, their state, and reads."""
    while not is_ready(app):  # noqa: ASYNC110  (Faust tells of none of these by an event)
        await asyncio.sleep(0.02)


def is_ready(app: faust.App) -> bool:
    return bool(app.started and not app.rebalancing and app.flow_control.is_active() and app.tables.actives_ready)
