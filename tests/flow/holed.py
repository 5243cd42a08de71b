"""A worker with a fault: it throws a run away and says nothing. `python -m tests.flow.holed`, else as `topologies`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from faust.types import TP

from topologies.__main__ import main
from topologies.runs import Run, RunConsumer, RunTransport

THROWN_AWAY = 3
"""The third run of the worker's life: by then there is a state, and something was acknowledged."""


class HoledConsumer(RunConsumer):
    """Loses a run between itself and the agent, as Faust's streams would one that reaches them while they do not
    listen."""

    runs = 0

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Any]]:
        async for tp, message in super().getmany(timeout):
            self.runs += isinstance(message.value, Run)
            if not isinstance(message.value, Run) or self.runs != THROWN_AWAY:
                yield tp, message


if __name__ == "__main__":
    RunTransport.Consumer = HoledConsumer
    main()
