"""A request's body taken into memory, within bounds of size and patience."""

from __future__ import annotations

import asyncio
import time

from starlette.requests import Request
from starlette.types import Message

from pipeline.embedded.warehouse.admission import Admission
from pipeline.embedded.warehouse.errors import refusal
from pipeline.embedded.warehouse.settings import Limits


class Body:
    """Read once, either as `pieces` or through the form parser of `request`. `let_go` must follow.

    Raises TOO_LARGE_REQUEST_BODY past `limits.body` bytes (at once where the length is declared), and SOCKET_TIMEOUT
    when nothing comes for `limits.body_pause` seconds or the whole has not come within `limits.body_time`.
    """

    def __init__(self, request: Request, limits: Limits, admission: Admission) -> None:
        self._request = request
        self._limits = limits
        self._admission = admission
        self._size = 0
        self._deadline = time.monotonic() + limits.body_time
        declared = request.headers.get("content-length", "0")
        if declared.isdecimal() and int(declared) > limits.body:
            raise self._too_large()

    async def pieces(self) -> list[bytes]:
        return [piece async for piece in self.request().stream() if piece]

    def request(self) -> Request:
        """The same request, whose reader counts and waits no longer than it should."""
        return Request(self._request.scope, self._receive)

    def let_go(self) -> None:
        self._admission.go(self._size)
        self._size = 0

    async def _receive(self) -> Message:
        patience = min(self._limits.body_pause, self._deadline - time.monotonic())
        try:
            message = await asyncio.wait_for(self._request.receive(), max(0.0, patience))
        except TimeoutError as error:
            raise refusal("SOCKET_TIMEOUT", "The request's body took too long to come") from error
        message["body"] = bytes(message.get("body", b""))
        size = len(message["body"])
        if self._size + size > self._limits.body:
            raise self._too_large()
        self._admission.hold(size)
        self._size += size
        return message

    def _too_large(self) -> Exception:
        return refusal("TOO_LARGE_REQUEST_BODY", f"The request's body is more than {self._limits.body} bytes")
