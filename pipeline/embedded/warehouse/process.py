"""The warehouse as a child process: started on a port, known to be ready, stopped cleanly."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from pipeline import announce
from pipeline.errors import WarehouseUnavailable
from pipeline.lifeline import Lifeline

READY = f"{announce.READY}warehouse "


def command(data_dir: Path, port: int, host: str = "127.0.0.1") -> Sequence[str]:
    """The command line of a warehouse process."""
    return (
        *(sys.executable, "-m", "pipeline.embedded.warehouse"),
        *("--data-dir", str(data_dir), "--host", host, "--port", str(port)),
    )


class WarehouseProcess:
    """A warehouse on `port` of the loopback address, keeping its data in `data_dir`. It dies with this process.

    `environ` is added to this process's environment; passwords are given there (THALWEG_WAREHOUSE_PASSWORD,
    THALWEG_ANALYST_PASSWORD).
    """

    def __init__(self, data_dir: Path, port: int, environ: Mapping[str, str] | None = None) -> None:
        self.data_dir = data_dir
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self._environ = dict(environ or {})
        self._process: subprocess.Popen[str] | None = None
        self._lifeline: Lifeline | None = None

    def start(self, timeout: float = 60.0) -> WarehouseProcess:
        """Returns once it serves. Raises WarehouseUnavailable when it ends or stays silent instead."""
        self._lifeline = Lifeline()
        self._process = subprocess.Popen(
            command(self.data_dir, self.port),
            env={**os.environ, "TZ": "UTC", **self._environ, **self._lifeline.environment()},
            pass_fds=self._lifeline.pass_fds,
            stdout=subprocess.PIPE,
            text=True,
        )
        silence = threading.Timer(timeout, self._process.kill)
        silence.start()
        try:
            self._await_ready(self._process)
        finally:
            silence.cancel()
        return self

    @property
    def pid(self) -> int:
        if self._process is None:
            raise WarehouseUnavailable("the warehouse process has not been started")
        return self._process.pid

    def stop(self, timeout: float = 10.0) -> int:
        """Asks it to end, kills it after `timeout` seconds; gives its exit status."""
        if self._process is None:
            return 0
        self._process.terminate()
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
        return self._ended()

    def kill(self) -> int:
        """Ends it as a crash would (SIGKILL)."""
        if self._process is None:
            return 0
        self._process.kill()
        return self._ended()

    def __enter__(self) -> WarehouseProcess:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _await_ready(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith(READY):
                return
        status = self._ended()
        raise WarehouseUnavailable(f"the warehouse process ended with status {status} before it was ready")

    def _ended(self) -> int:
        assert self._process is not None
        status = self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._process = None
        if self._lifeline is not None:
            self._lifeline.close()
            self._lifeline = None
        return status
