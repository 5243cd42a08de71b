"""A broker as a child process: start it, wait until it answers, stop it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

from pipeline.embedded.kafka import probe
from pipeline.embedded.kafka.properties import BrokerSettings
from pipeline.errors import Unavailable
from pipeline.lifeline import Lifeline
from pipeline.settings import OPEN, KafkaSecurity

_STOP_S = 10.0
_POLL_S = 0.05


class BrokerProcess:
    """Owns one broker. Its output goes to `broker.log` in the data directory. It dies with this process.

    Start it from the main thread (see `pipeline.lifeline`). Usable as a context manager: started and
    answering inside, stopped after.
    """

    def __init__(
        self,
        data_dir: Path,
        port: int = 9092,
        controller_port: int = 9093,
        heap_mib: int = 512,
        *,
        security: KafkaSecurity = OPEN,
        pem: Path | None = None,
    ) -> None:
        self.settings = BrokerSettings(data_dir, port, controller_port, heap_mib, security=security, pem=pem)
        self.log = data_dir / "broker.log"
        self._lifeline: Lifeline | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        return self.settings.bootstrap

    @property
    def pid(self) -> int:
        if self._process is None:
            raise RuntimeError("the broker has not been started")
        return self._process.pid

    def start(self) -> None:
        """Starts the process; `wait_ready` waits for the broker. The first start fetches and formats."""
        self.settings.data_dir.mkdir(parents=True, exist_ok=True)
        self._lifeline = Lifeline()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command(self.settings),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **_told(self.settings.security), **self._lifeline.environment()},
                pass_fds=self._lifeline.pass_fds,
                process_group=0,
            )

    def wait_ready(self, timeout: float = 120.0) -> None:
        """Returns once the broker answers on the wire. Raises Unavailable when it ends or is not ready in time."""
        deadline = time.monotonic() + timeout
        while not probe.answers(self.settings.host, self.settings.port, tls=self.settings.security.encrypted):
            if self._process is None or self._process.poll() is not None:
                raise Unavailable(f"the broker ended before it was ready; see {self.log}")
            if time.monotonic() > deadline:
                raise Unavailable(f"the broker was not ready within {timeout:g} s; see {self.log}")
            time.sleep(_POLL_S)

    def stop(self) -> None:
        """A controlled shutdown; killed when that takes longer than 10 s. Idempotent."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        if self._lifeline is not None:
            self._lifeline.close()
            self._lifeline = None

    def __enter__(self) -> BrokerProcess:
        self.start()
        try:
            self.wait_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def command(settings: BrokerSettings) -> list[str]:
    """The command line that runs a broker with these settings (`python -m pipeline.embedded.kafka run …`)."""
    return [
        *(sys.executable, "-m", "pipeline.embedded.kafka", "run"),
        *("--data-dir", str(settings.data_dir)),
        *("--port", str(settings.port)),
        *("--controller-port", str(settings.controller_port)),
        *("--heap-mib", str(settings.heap_mib)),
        *([] if settings.pem is None else ["--pem", str(settings.pem)]),
    ]


def _told(security: KafkaSecurity) -> dict[str, str]:
    """Not on the command line, which everybody on the machine can read."""
    return {
        "THALWEG_KAFKA_SECURITY_PROTOCOL": security.protocol,
        "THALWEG_KAFKA_SASL_MECHANISM": security.mechanism,
        "THALWEG_KAFKA_USERNAME": security.username,
        "THALWEG_KAFKA_PASSWORD": security.password,
        "THALWEG_KAFKA_CA_FILE": security.ca_file or "",
    }
