"""The log shows no secret, whoever writes to it."""

from __future__ import annotations

import asyncio
import logging
import logging.config

import pytest
import websockets

from ingest_api.access_log import CONFIG, Scrubber, scrub
from tests.doubles.door import app_with, served


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("GET /ws/stream?token=abc.def&x=1", "GET /ws/stream?token=***&x=1"),
        ('"WebSocket /ws/stream?a=1&api_key=ncs_0" [accepted]', '"WebSocket /ws/stream?a=1&api_key=***" [accepted]'),
        ("?TICKET=t access_token=u", "?TICKET=*** access_token=***"),
        ("tokens=3 mytoken=4", "tokens=3 mytoken=4"),
    ],
)
def test_credentials_in_addresses_are_blanked(line: str, shown: str) -> None:
    assert scrub(line) == shown


def test_a_secret_among_a_records_arguments_is_found() -> None:
    record = logging.LogRecord("x", logging.INFO, "x", 1, '%s - "%s"', ("1.2.3.4", "/ws?token=abc"), None)
    Scrubber().filter(record)
    assert record.getMessage() == '1.2.3.4 - "/ws?token=***"'


async def test_what_the_servers_own_loggers_write_of_a_websocket_holds_no_secret(
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = {name: logging.getLogger(name).level for name in ("", "thalweg", "uvicorn", "uvicorn.access")}
    handlers = list(logging.getLogger().handlers)
    logging.config.dictConfig(CONFIG | {"incremental": False})
    logging.getLogger("uvicorn.error").setLevel(logging.DEBUG)
    logging.getLogger("websockets").setLevel(logging.DEBUG)
    try:
        app = app_with()
        async with served(app, app.state.wiring.settings) as (host, port):
            with pytest.raises(websockets.exceptions.InvalidStatus):
                async with websockets.connect(f"ws://{host}:{port}/ws/nothing?token=s3cr3t&api_key=s3cr3t"):
                    pass
            await asyncio.sleep(0)
    finally:
        logging.getLogger("uvicorn.error").setLevel(logging.NOTSET)
        logging.getLogger("websockets").setLevel(logging.NOTSET)
        logging.getLogger().handlers[:] = handlers
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)
    shown = capsys.readouterr().err
    assert "WS /ws/nothing 403" in shown
    assert "s3cr3t" not in shown
