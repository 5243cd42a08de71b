"""The broker's directory: its server.properties, and the formatting of its storage with a cluster id."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import uuid
from pathlib import Path

from pipeline.embedded.kafka.jvm import STORAGE_TOOL, Jvm
from pipeline.embedded.kafka.properties import BrokerSettings, render, server_properties
from pipeline.errors import Broken

_FORMAT_TIMEOUT_S = 60


def temporary(settings: BrokerSettings) -> Path:
    return (settings.data_dir / "tmp").resolve()


def prepare(settings: BrokerSettings, jvm: Jvm) -> Path:
    """Makes the directory ready for a start; returns the path of server.properties. Formats an empty one once:
    the cluster id then lives in its meta.properties. Raises Broken when Kafka's own tool refuses."""
    shutil.rmtree(temporary(settings), ignore_errors=True)
    for folder in (settings.log_dir, temporary(settings)):
        folder.mkdir(parents=True, exist_ok=True)
    properties = settings.data_dir / "server.properties"
    _write(properties, render(server_properties(settings)))
    if not (settings.log_dir / "meta.properties").exists():
        _format(jvm, properties)
    return properties


def _write(path: Path, text: str) -> None:
    """0600 from its first byte on: passwords may stand there."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)


def _format(jvm: Jvm, properties: Path) -> None:
    arguments = ("format", "--cluster-id", new_cluster_id(), "--config", str(properties))
    done = subprocess.run(
        jvm.command(STORAGE_TOOL, *arguments), capture_output=True, text=True, timeout=_FORMAT_TIMEOUT_S, check=False
    )
    if done.returncode != 0:
        raise Broken(f"Kafka could not format {properties.parent}: {(done.stderr or done.stdout).strip()[-500:]}")


def new_cluster_id() -> str:
    """22 characters of URL-safe base64, as Kafka's own Uuid.randomUuid, which shuns a leading dash too."""
    while True:
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
        if not text.startswith("-"):
            return text
