"""A whole system for a benchmark: `thalweg up` on free ports and empty data, without rate limits."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from pipeline.settings import KafkaSettings
from tests.ports import free_ports

START_SECONDS = 240


@dataclass(frozen=True)
class Stack:
    url: str
    kafka: KafkaSettings
    token: str
    pid: int

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


@contextmanager
def running(*flags: str, folder: Path | None = None) -> Iterator[Stack]:
    """Started, healthy, and logged in to as its administrator; ended afterwards. A `folder` keeps its data."""
    api, broker, controller, warehouse = free_ports(4)
    with ExitStack() as kept:
        folder = folder or Path(kept.enter_context(tempfile.TemporaryDirectory()))
        places = (
            *("--data-dir", str(folder), "--api-port", str(api), "--kafka-port", str(broker)),
            *("--kafka-controller-port", str(controller), "--warehouse-port", str(warehouse)),
        )
        clean = {name: value for name, value in os.environ.items() if not name.startswith("THALWEG_")}
        log = folder / "up.log"
        with log.open("wb") as out:
            up = subprocess.Popen(
                (sys.executable, "-m", "pipeline.cli", "up", *places, *flags),
                env={**clean, "THALWEG_RATE_LIMITS": "off"},
                stdout=out,
                stderr=out,
            )
        try:
            url = f"http://127.0.0.1:{api}"
            token = _logged_in(url, up, log)
            yield Stack(url, KafkaSettings(f"127.0.0.1:{broker}"), token, up.pid)
        finally:
            up.send_signal(signal.SIGINT)
            up.wait(60)


def _logged_in(url: str, up: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and up.poll() is None:
        try:
            if httpx.get(f"{url}/health").status_code == httpx.codes.OK:
                form = {"username": "admin", "password": "admin123"}
                answer = httpx.post(f"{url}/auth/login", data=form).raise_for_status().json()
                return str(answer["access_token"])
        except httpx.TransportError:
            pass
        time.sleep(0.25)
    raise SystemExit(f"the system did not come up:\n{log.read_text()[-3000:]}")
