"""Options that several commands have."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from pipeline.embedded import parts, runstate, secrets
from pipeline.errors import Misconfigured
from pipeline.settings import KafkaSettings
from schemas.clustering.limits import STREAM, STREAM_TOLD

DataDir = Annotated[
    Path, typer.Option("--data-dir", envvar="THALWEG_DATA_DIR", help="Where everything is kept.", file_okay=False)
]
DEFAULT_DATA_DIR = Path(".thalweg")

Bootstrap = Annotated[
    str,
    typer.Option("--bootstrap", envvar="THALWEG_KAFKA_BOOTSTRAP", help="host:port of Kafka.", metavar="HOST:PORT"),
]
DEFAULT_BOOTSTRAP = KafkaSettings.bootstrap

ApiUrl = Annotated[str, typer.Option("--url", envvar="THALWEG_API_URL", help="Where the API is.", metavar="URL")]
DEFAULT_API_URL = "http://127.0.0.1:8000"

Json = Annotated[bool, typer.Option("--json", help="For programs.")]


def kafka_settings(bootstrap: str) -> KafkaSettings:
    """The environment's, with the broker the command was given; at an embedded one that wants a password, with that of
    its data directory. Raises Misconfigured."""
    return replace(KafkaSettings.from_environment({**_login(bootstrap), **os.environ}), bootstrap=bootstrap)


def _login(bootstrap: str) -> Mapping[str, str]:
    """Where a run of THALWEG_DATA_DIR says that this broker wants it. Raises Misconfigured."""
    data_dir = Path(os.environ.get("THALWEG_DATA_DIR") or DEFAULT_DATA_DIR)
    run = runstate.read(data_dir)
    wants = run is not None and any(part.url == f"{parts.LOGIN_SCHEME}{bootstrap}" for part in run.parts)
    kept = secrets.kept(data_dir) if wants else None
    return {} if kept is None else parts.kafka_login(kept)


def check_stream(name: str) -> None:
    """Raises Misconfigured for what is no name of a stream."""
    if STREAM.fullmatch(name) is None:
        raise Misconfigured(f"a stream's name has {STREAM_TOLD}; not {name[:150]!r}")
