"""`python -m ingest_api`, as a process of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process

import httpx
import pytest

from pipeline.kafka.provision import provision
from pipeline.settings import KafkaSettings
from tests.ports import free_ports


async def started(**environ: str) -> Process:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("THALWEG_")}
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ingest_api", env=kept | environ, stdout=PIPE, stderr=PIPE
    )


async def ready(process: Process) -> str:
    """The address it says it serves."""
    assert process.stdout is not None
    line = (await asyncio.wait_for(process.stdout.readline(), 60)).decode()
    assert line.startswith("THALWEG READY api http://127.0.0.1:"), line
    return line.split()[-1]


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
async def test_it_says_when_it_serves_and_ends_when_told(end: signal.Signals, kafka_bootstrap: str) -> None:
    await asyncio.to_thread(provision, KafkaSettings(kafka_bootstrap))
    process = await started(THALWEG_API_PORT="0", THALWEG_KAFKA_BOOTSTRAP=kafka_bootstrap)
    address = await ready(process)
    async with httpx.AsyncClient(base_url=address) as http:
        assert (await http.get("/live")).status_code == 200
        await http.get("/health?token=s3cr3t")
    process.send_signal(end)
    _, log = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0
    assert b"GET /health" in log
    assert b"s3cr3t" not in log
    assert b"Traceback" not in log


async def test_without_a_broker_it_ends_with_one_sentence_that_says_where_it_looked() -> None:
    [port] = free_ports(1)
    process = await started(THALWEG_API_PORT="0", THALWEG_KAFKA_BOOTSTRAP=f"127.0.0.1:{port}")
    shown, log = await asyncio.wait_for(process.communicate(), 90)
    assert process.returncode == 1
    assert shown == b""
    assert b"ERROR thalweg.api" in log
    assert f"no Kafka broker answers at 127.0.0.1:{port}".encode() in log
    assert b"Traceback" not in log


async def test_a_taken_port_is_said(kafka_bootstrap: str) -> None:
    await asyncio.to_thread(provision, KafkaSettings(kafka_bootstrap))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        process = await started(THALWEG_API_PORT=port, THALWEG_KAFKA_BOOTSTRAP=kafka_bootstrap)
        shown, log = await asyncio.wait_for(process.communicate(), 90)
    assert process.returncode not in (0, None)
    assert shown == b""
    assert b"address already in use" in log
    assert b"Traceback" not in log


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({"THALWEG_API_HOST": "0.0.0.0"}, b"set THALWEG_ADMIN_PASSWORD"),
        ({"THALWEG_API_HOST": "0.0.0.0", "THALWEG_ADMIN_PASSWORD": "x" * 12}, b"set THALWEG_JWT_SECRETS"),
        ({"THALWEG_API_PORT": "eighty"}, b"THALWEG_API_PORT"),
    ],
)
async def test_it_refuses_to_start_with_what_cannot_be_used(environ: dict[str, str], told: bytes) -> None:
    process = await started(**environ)
    _, log = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 78
    assert told in log
    assert b"Traceback" not in log
