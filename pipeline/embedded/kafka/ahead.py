"""Kafka's classes loaded, verified and linked ahead of time (JEP 483 and 514): a broker starts with half the work.

The JVM writes them to a file as a broker ends that was told to, and passes over a file of another JVM or of other jars:
with the file or without it a broker is the same, only slower to start. It lies beside the JVM, which is installed with
this package, and goes with it.
"""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from pipeline.embedded import leash
from pipeline.embedded.kafka import jvm, probe, storage
from pipeline.embedded.kafka.jvm import BROKER, Jvm
from pipeline.embedded.kafka.properties import BrokerSettings
from pipeline.lifeline import Lifeline

_START_S = 120
_END_S = 180
"""Writing the file is part of the broker's end."""


def kept(class_path: Sequence[Path]) -> Path | None:
    """Where the file for these jars is, if it is there; None where no JVM was installed."""
    if jvm.JAVA is None:
        return None
    digest = hashlib.sha256("\n".join(map(str, class_path)).encode()).hexdigest()
    return jvm.JAVA.parent.parent / "lib" / f"thalweg-{digest[:16]}.aot"


def make(class_path: Sequence[Path]) -> bool:
    """Runs a broker of its own for some seconds and keeps what it loaded. Returns whether the file is there after: it
    is not where the directory cannot be written, or the broker was not ready in time."""
    file = kept(class_path)
    if file is None or file.is_file() or not os.access(file.parent, os.W_OK):
        return file is not None and file.is_file()
    with tempfile.TemporaryDirectory(prefix="thalweg-", dir=file.parent) as folder:
        draft = Path(folder, "draft.aot")
        _record(class_path, Path(folder, "kafka"), draft)
        if draft.is_file():
            os.replace(draft, file)
    return file.is_file()


def _record(class_path: Sequence[Path], data_dir: Path, draft: Path) -> None:
    settings = BrokerSettings(data_dir, *_free_ports())
    java = Jvm(class_path, settings.heap_mib, storage.temporary(settings))
    program, *arguments = java.command(BROKER, str(storage.prepare(settings, java)))
    command = leash.command([program, f"-XX:AOTCacheOutput={draft}", *arguments])
    quiet, line = subprocess.DEVNULL, Lifeline()
    told = {**os.environ, **line.environment()}
    broker = subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet, env=told, pass_fds=line.pass_fds)
    try:
        deadline = time.monotonic() + _START_S
        while not probe.answers(settings.host, settings.port) and broker.poll() is None:
            if time.monotonic() > deadline:
                return
            time.sleep(0.1)
        broker.terminate()
        broker.wait(_END_S)
    except subprocess.TimeoutExpired:
        return
    finally:
        broker.kill()
        broker.wait()
        line.close()


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        for each in (one, other):
            each.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]
