"""The development administrator: who may say `admin123`, from where, by real programs over real connections."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from ingest_api.app import create_app
from tests.doubles.desk import wired
from tests.doubles.door import served, settings_with

OTHERS_PYTHON = shutil.which("python3", path="/usr/bin:/bin:/usr/local/bin") or ""
"""One that another user can run, who may not see where ours is."""
MADE = "3f9c1a-77b0de-e41c55-902ab3"
CLIENT = """
import http.client, json, sys
port, headers, password, before = int(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3], sys.argv[4]
exec(before)
api = http.client.HTTPConnection("127.0.0.1", port)
api.request("POST", "/auth/login", json.dumps({"username": "admin", "password": password}),
            {"Content-Type": "application/json", **headers})
print(api.getresponse().status)
"""
FORWARDER = """
import socket, sys, threading
port, stays = int(sys.argv[1]), sys.argv[2] == "listening"
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
while True:
    near, _ = listener.accept()
    if not stays:
        listener.close()
    far = socket.create_connection(("127.0.0.1", port))
    def pour(a, b):
        while data := a.recv(65536):
            b.sendall(data)
    back = threading.Thread(target=pour, args=(far, near)); back.start()
    pour(near, far)
"""


@dataclass
class Api:
    port: int

    async def login(
        self,
        password: str = "admin123",
        headers: dict[str, str] | None = None,
        *,
        through: int | None = None,
        before: str = "",
        user: int | None = None,
    ) -> int:
        """The status that a program of its own gets; `before` is what it does first."""
        told = {"Host": f"127.0.0.1:{self.port}", **(headers or {})}
        arguments = (str(through or self.port), json.dumps(told), password, before)
        process = await asyncio.create_subprocess_exec(
            sys.executable if user is None else OTHERS_PYTHON,
            "-c",
            CLIENT,
            *arguments,
            stdout=asyncio.subprocess.PIPE,
            user=user,
        )
        out, _ = await process.communicate()
        return int(out)

    async def refused(self, **more: Any) -> bool:
        """Whether `admin123` is, where the password that was made is not; that forgets the failure, too."""
        return (await self.login(**more), await self.login(MADE, **more)) == (401, 200)


@pytest.fixture(scope="module")
async def api() -> AsyncIterator[Api]:
    settings = settings_with(admin_password=None, dev_admin=True, dev_password=MADE)
    async with served(create_app(settings, wired(settings)), settings) as (_, port):
        yield Api(port)


@contextlib.asynccontextmanager
async def forwarder(port: int, kind: str) -> AsyncIterator[int]:
    """A proxy that adds no header, on this machine, of this user."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", FORWARDER, str(port), kind, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield int(await process.stdout.readline())
    finally:
        process.kill()
        await process.wait()


@pytest.mark.skipif(sys.platform != "linux", reason="who holds a connection can be seen on Linux")
async def test_a_program_of_this_user_on_this_machine_may_say_what_everybody_knows(api: Api) -> None:
    assert await api.login() == 200
    assert await api.login(headers={"Host": f"localhost:{api.port}"}) == 200
    assert await api.login("admin124") == 401


@pytest.mark.parametrize("kind", ["listening", "listened once"])
async def test_nobody_says_it_through_a_proxy_that_adds_no_header(api: Api, kind: str) -> None:
    for password, status in (("admin123", 401), (MADE, 200)):
        async with forwarder(api.port, kind) as through:
            assert await api.login(password, through=through) == status


@pytest.mark.parametrize(
    "before",
    [
        "import socket; leg = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); leg.bind(('127.0.0.1', 0))",
        "import socket; leg = socket.create_server(('127.0.0.1', 0))",
        "import socket; leg = socket.create_server(('::1', 0), family=socket.AF_INET6)",
    ],
    ids=["udp", "listens", "listens on IPv6"],
)
async def test_nobody_says_it_who_could_be_a_tunnels_end(api: Api, before: str) -> None:
    assert await api.refused(before=before)


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-For": "127.0.0.1"},
        {"X-Forwarded-Proto": "http"},
        {"Forwarded": "for=127.0.0.1"},
        {"Via": "1.1 proxy"},
        {"X-Real-IP": "127.0.0.1"},
        {"CF-Connecting-IP": "127.0.0.1"},
        {"CDN-Loop": "cloudflare"},
        {"True-Client-IP": "127.0.0.1"},
        {"X-Envoy-External-Address": "127.0.0.1"},
        {"X-Original-Host": "localhost"},
        {"Proxy-Connection": "keep-alive"},
        {"Host": "thalweg.example"},
        {"Host": "127.0.0.1"},
        {"Host": "localhost:1"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
    ids=lambda headers: " ".join(*headers.items()),
)
async def test_nobody_says_it_whose_request_shows_that_it_was_passed_on(api: Api, headers: dict[str, str]) -> None:
    assert await api.refused(headers=headers)


@pytest.mark.skipif(os.getuid() != 0 or not OTHERS_PYTHON, reason="no program of another user can be started")
async def test_nobody_says_it_who_is_another_user(api: Api) -> None:
    assert await api.refused(user=65534)


@pytest.mark.parametrize(
    "settings", [{"trusted_proxies": ("192.0.2.1",)}, {"dev_admin": False, "admin_password": "x" * 12}]
)
async def test_nobody_says_it_where_a_proxy_is_announced_or_a_password_is_set(settings: dict[str, object]) -> None:
    own = settings_with(**({"admin_password": None, "dev_admin": True} | settings))
    async with served(create_app(own, wired(own)), own) as (_, port):
        assert await Api(port).login() == 401
