"""An answer sent within bounds of patience."""

from __future__ import annotations

import asyncio
import time

from starlette.requests import ClientDisconnect
from starlette.types import Message, Send

from pipeline.embedded.warehouse.settings import Limits

_PIECE = 1 << 20


class Outgoing:
    """An answer on its way. A client that takes nothing for `limits.body_pause` seconds, or has not taken the whole
    within `limits.answer_time`, loses its slot to others: ClientDisconnect."""

    def __init__(self, send: Send, limits: Limits) -> None:
        self._send = send
        self._pause = limits.body_pause
        self._deadline = time.monotonic() + limits.answer_time

    async def begin(self, headers: dict[str, str]) -> None:
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        await self._send({"type": "http.response.start", "status": 200, "headers": raw})

    async def whole(self, data: bytes) -> None:
        for start in range(0, len(data), _PIECE):
            await self.piece(data[start : start + _PIECE])

    async def piece(self, data: bytes) -> None:
        message: Message = {"type": "http.response.body", "body": data, "more_body": True}
        patience = min(self._pause, self._deadline - time.monotonic())
        try:
            await asyncio.wait_for(self._send(message), max(0.0, patience))
        except TimeoutError as error:
            raise ClientDisconnect from error

    async def end(self) -> None:
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})
