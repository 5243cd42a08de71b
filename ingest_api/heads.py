"""HEAD wherever GET is: the same answer without its body (RFC 9110, 9.3.2)."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_FOUND = ("route", "endpoint", "path_params")


class Heads:
    """Asks the application as a GET would, and ends the answer behind its head: one that would go on for ever, as live
    events do, ends there too. What the application finds out about the route is told on to those around this."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return
        asked = {**scope, "method": "GET"}

        async def send_head(message: Message) -> None:
            if message["type"] != "http.response.start":
                return
            scope.update({name: asked[name] for name in _FOUND if name in asked})
            await send(message)
            await send({"type": "http.response.body", "body": b"", "more_body": False})

        await self.app(asked, receive, send_head)
