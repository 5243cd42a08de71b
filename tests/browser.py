"""A real Chromium, driven by the Chrome DevTools Protocol: what a browser makes of our answers only a browser knows.

https://chromedevtools.github.io/devtools-protocol/. It can reach this machine and nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import websockets

EXECUTABLES = ("chromium", "chromium-browser", "google-chrome")
FOREIGN = "console.test"
"""A name of this machine that is another site than its address."""
Json = dict[str, Any]
_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-proxy-server"),
    f"--host-resolver-rules=MAP {FOREIGN} 127.0.0.1 , MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
    "--ignore-certificate-errors",
    "--remote-debugging-port=0",
)


def installed() -> str | None:
    """The path of a Chromium on this machine."""
    return next((path for name in EXECUTABLES if (path := shutil.which(name))), None)


@contextlib.contextmanager
def chromium(executable: str, profile: Path) -> Iterator[str]:
    """A running browser with an empty profile: the address of its DevTools."""
    with (profile / "log").open("wb") as log:
        process = subprocess.Popen(
            [executable, *_FLAGS, f"--user-data-dir={profile / 'data'}", "about:blank"], stdout=log, stderr=log
        )
    try:
        told = profile / "data" / "DevToolsActivePort"
        deadline = time.monotonic() + 60
        while not told.exists() or len(lines := told.read_text().splitlines()) < 2:
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"{executable} did not start:\n{(profile / 'log').read_text(errors='replace')}")
            time.sleep(0.05)
        yield f"ws://127.0.0.1:{lines[0]}{lines[1]}"
    finally:
        process.terminate()
        process.wait(30)


class Page:
    """A tab. `events` is what it told of itself since it was opened: (method, parameters), in order."""

    def __init__(self, connection: websockets.ClientConnection) -> None:
        self._connection, self._numbers = connection, itertools.count(1)
        self._asked: dict[int, asyncio.Future[Json]] = {}
        self._session: Json = {}
        self._context = ""
        self.events: list[tuple[str, Json]] = []

    async def open(self) -> None:
        """In a context of its own, with no cookie in it."""
        self._context = (await self.call("Target.createBrowserContext"))["browserContextId"]
        target = await self.call("Target.createTarget", url="about:blank", browserContextId=self._context)
        attached = await self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session = {"sessionId": attached["sessionId"]}
        for domain in ("Page", "Runtime", "Log", "Network", "Audits"):
            await self.call(f"{domain}.enable")

    async def close(self) -> None:
        self._session = {}
        await self.call("Target.disposeBrowserContext", browserContextId=self._context)

    async def go(self, url: str) -> None:
        """Returns once the page has loaded."""
        answer = await self.call("Page.navigate", url=url)
        assert "errorText" not in answer, answer
        await self.run("document.readyState === 'complete' || new Promise(done => addEventListener('load', done))")

    async def run(self, script: str, **names: Any) -> Any:
        """The value of an expression, or of what its promise comes to. `names` are constants in it."""
        given = ", ".join(f"{name} = {json.dumps(value)}" for name, value in names.items())
        whole = f"(async ({given}) => ({script}))()"
        answer = await self.call("Runtime.evaluate", expression=whole, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    async def cookies(self) -> list[Json]:
        """All that this page's context holds, also those that no script can read."""
        answer = await self.call("Network.getAllCookies")
        kept: list[Json] = answer["cookies"]
        return kept

    def told(self, method: str) -> list[Json]:
        return [parameters for name, parameters in self.events if name == method]

    async def call(self, method: str, **parameters: Any) -> Json:
        """A command of the protocol and its result."""
        number = next(self._numbers)
        answer = self._asked[number] = asyncio.get_running_loop().create_future()
        command = {"id": number, "method": method, "params": parameters, **self._session}
        await self._connection.send(json.dumps(command))
        async with asyncio.timeout(110):
            message = await answer
        assert "error" not in message, (method, message["error"])
        result: Json = message["result"]
        return result

    async def listen(self) -> None:
        async for raw in self._connection:
            message: Json = json.loads(raw)
            if "id" in message:
                self._asked.pop(message["id"]).set_result(message)
            else:
                self.events.append((message["method"], message["params"]))


@asynccontextmanager
async def page(devtools: str) -> AsyncIterator[Page]:
    """A new tab that shares nothing with any other."""
    async with websockets.connect(devtools, max_size=None, proxy=None) as connection:
        opened = Page(connection)
        listening = asyncio.create_task(opened.listen())
        try:
            await opened.open()
            yield opened
            await opened.close()
        finally:
            listening.cancel()


@asynccontextmanager
async def site(name: str = "127.0.0.1") -> AsyncIterator[str]:
    """Another web site on this machine, with an empty page at every address: its origin."""
    body = b"<!DOCTYPE html><title>Console</title>"
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(head + body)
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://{name}:{server.sockets[0].getsockname()[1]}"
