"""What a worker runs of one domain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import faust

from topologies.site import Site


@dataclass(frozen=True, slots=True)
class Domain:
    """`attach` puts the domain's inputs, tables and agents into a Faust app that is its alone: so its consumer group,
    its rebalances and its checkpoints hold up no other domain's."""

    name: str
    attach: Callable[[faust.App, Site], None]
