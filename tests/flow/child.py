"""Our own processes as children of a test: started, known to be ready, killed as a crash would."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from pipeline.heartbeat import VARIABLE, trouble
from pipeline.lifeline import Lifeline

FENCED = "Static consumer fenced by other consumer"
"""Said by an archive that Kafka takes for another of its name, since one of them stood still for a session: it ends,
and is to be started again."""
ACCOUNT_SECRETS = "a1:fedcba9876543210fedcba9876543210"
"""Of every process that signs: all tests on a broker share topics and a changelog that are signed."""


class Child:
    """`python -m module …`, its output in a file. `start` returns once it has said that it is ready."""

    def __init__(
        self,
        module: str,
        arguments: Sequence[str],
        environ: Mapping[str, str],
        log: Path,
        lifeline: Lifeline | None = None,
    ) -> None:
        """With a lifeline it dies with this process; it must then be launched from the main thread."""
        self._command = (sys.executable, "-m", module, *arguments)
        self._lifeline = lifeline
        tied = {} if lifeline is None else lifeline.environment()
        self.log = log
        self._heartbeat = log.with_suffix(".heartbeat")
        told = {"PYTHONUNBUFFERED": "1", "TZ": "UTC", VARIABLE: str(self._heartbeat)}
        self._environ = {**os.environ, **told, **environ, **tied}
        self._offset = 0
        self._process: subprocess.Popen[bytes] | None = None
        self.url = ""

    def start(self, timeout: float = 60.0) -> Self:
        """Ended again, if it is not ready in time."""
        self.launch()
        try:
            self.await_ready(timeout)
        except AssertionError:
            self.kill()
            raise
        return self

    def launch(self) -> None:
        self._offset = self.log.stat().st_size if self.log.exists() else 0
        pass_fds = () if self._lifeline is None else self._lifeline.pass_fds
        with self.log.open("ab") as out:
            self._process = subprocess.Popen(
                self._command, env=self._environ, stdout=out, stderr=out, pass_fds=pass_fds
            )

    def is_ready(self) -> bool:
        """Whether it has said so since it was launched; `url` is then where it serves."""
        ready = [line for line in self.since_launch().splitlines() if b"THALWEG READY " in line]
        if ready:
            self.url = ready[-1].decode().rsplit(" ", 1)[-1]
        return bool(ready)

    def since_launch(self) -> bytes:
        """What it has written to its log since it was last launched."""
        with self.log.open("rb") as file:
            file.seek(self._offset)
            return file.read()

    def await_ready(self, timeout: float = 60.0) -> None:
        deadline = time.monotonic() + timeout
        while not self.is_ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"{self._command} is not ready:\n{self.tail()}")
            time.sleep(0.05)

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "not started"
        return self._process

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def trouble(self, after: float = 0.0) -> str | None:
        """What a health check would say of it, `after` so many seconds from now without another beat."""
        return trouble(self._heartbeat, time.monotonic() + after)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def freeze(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def stop(self, timeout: float = 20.0) -> int:
        """Asks it to end; its exit status."""
        if self._process is None:
            return 0
        if self.process.poll() is None:
            self.thaw()
            self.process.terminate()
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self._command} did not end within {timeout} s:\n{self.tail()}") from None

    def tail(self, size: int = 4000) -> str:
        return self.log.read_bytes()[-size:].decode("utf-8", "replace") if self.log.exists() else ""

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None and self._process.poll() is None:
            self.stop()


def worker(ordinal: int, environ: Mapping[str, str], folder: Path, module: str = "topologies") -> Child:
    told = {"THALWEG_DATA_DIR": str(folder), "THALWEG_ACCOUNT_SECRETS": ACCOUNT_SECRETS, **environ}
    return Child(module, ["--ordinal", str(ordinal)], told, folder / f"worker-{ordinal}.log")


def archive(environ: Mapping[str, str], folder: Path) -> Child:
    return Child("pipeline.warehouse.archive", [], environ, folder / "archive.log")


def courier(environ: Mapping[str, str], folder: Path) -> Child:
    told = {"THALWEG_ACCOUNT_SECRETS": ACCOUNT_SECRETS, **environ}
    return Child("pipeline.courier", [], told, folder / "courier.log")


def api(environ: Mapping[str, str], folder: Path, port: int) -> Child:
    told = {"THALWEG_API_PORT": str(port), "THALWEG_ACCOUNT_SECRETS": ACCOUNT_SECRETS, **environ}
    return Child("ingest_api", [], told, folder / "api.log")
