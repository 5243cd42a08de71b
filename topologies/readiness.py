"""Whether a worker processes what it holds."""

from __future__ import annotations

import faust


def is_ready(app: faust.App) -> bool:
    return bool(app.started and not app.rebalancing and app.flow_control.is_active() and app.tables.actives_ready)
