"""The API's client: it waits when it is asked to, and says what to do when it cannot go on."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from pipeline.cli.api import Api, Credential
from pipeline.errors import Failure, Misconfigured, Unavailable
from tests.ports import free_ports

KEY = Credential("", "", "ncs_key")


class Door:
    """Answers what it was told to, in order; the last answer for ever."""

    def __init__(self) -> None:
        self.url = ""
        self.answers: list[tuple[int, dict[str, str], Any]] = []
        self.asked: list[tuple[str, dict[str, str], Any]] = []


@pytest.fixture
def door() -> Iterator[Door]:
    door = Door()

    class Exchange(BaseHTTPRequestHandler):
        def _do(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            door.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
            status, headers, content = door.answers.pop(0) if len(door.answers) > 1 else door.answers[0]
            raw = json.dumps(content).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(raw))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(raw)

        do_GET = do_POST = _do  # noqa: N815 (the names http.server looks for)

        def log_message(self, format: str, *arguments: object) -> None:
            """Tests are quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Exchange)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    door.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield door
    server.shutdown()
    thread.join()
    server.server_close()


async def test_a_request_over_the_limit_is_sent_again_after_the_wait_and_counts_once(door: Door) -> None:
    door.answers = [(429, {"Retry-After": "1"}, {}), (503, {"Retry-After": "0"}, {}), (200, {}, {"clusters": []})]
    told: list[str] = []
    async with Api(door.url, KEY, told.append) as api:
        assert await api.process("s", [[1.0]], "s:1-1") == {"clusters": []}
    assert [headers["idempotency-key"] for _, headers, _ in door.asked] == ["s:1-1"] * 3
    assert told == ["the API says 429; trying again in 1 s", "the API says 503; trying again in 0 s"]


async def test_a_longer_wait_than_anybody_has_patience_for_is_not_begun(door: Door) -> None:
    door.answers = [(429, {"Retry-After": "3000"}, {})]
    async with Api(door.url, KEY, print) as api:
        with pytest.raises(Unavailable, match="429"):
            await api.process("s", [[1.0]], "k")
    assert len(door.asked) == 1


async def test_a_user_logs_in_and_an_api_key_need_not(door: Door) -> None:
    door.answers = [(200, {}, {"access_token": "t", "streams": [{"stream": "a"}]})]
    async with Api(door.url, Credential("admin", "pass"), print) as api:
        assert await api.streams() == {"a"}
    async with Api(door.url, KEY, print) as api:
        await api.streams()
    [login, with_token, with_key] = door.asked
    assert login[0] == "/auth/login"
    assert login[2] == {"username": "admin", "password": "pass"}
    assert with_token[1]["authorization"] == "Bearer t"
    assert with_key[1]["x-api-key"] == "ncs_key"


async def test_each_failure_says_what_to_do(door: Door) -> None:
    door.answers = [(401, {}, {})]
    with pytest.raises(Misconfigured, match="--api-key"):
        async with Api(door.url, Credential("admin", "wrong"), print):
            pass
    door.answers = [(422, {}, {"detail": "points.0: Numbers must be finite"})]
    async with Api(door.url, KEY, print) as api:
        with pytest.raises(Failure, match="Numbers must be finite"):
            await api.process("s", [[1.0]], "k")
    [port] = free_ports(1)
    with pytest.raises(Unavailable, match="thalweg up"):
        async with Api(f"http://127.0.0.1:{port}", Credential("admin", "x"), print):
            pass


def test_a_credential_does_not_show_itself() -> None:
    assert "s3cret" not in repr([Credential("admin", "s3cret"), Credential("admin", "", "s3cret")])
