"""What `thalweg up` is told: where the data lives, which ports, how many workers, what is somewhere else."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class StackSettings:
    """`kafka_bootstrap` and `clickhouse_url`, where set, take the place of the embedded part of that name. With
    `kafka_login` the embedded broker lets in who has the password of the data directory."""

    data_dir: Path = Path(".thalweg")
    workers: int = 1
    kafka_port: int = 9092
    kafka_controller_port: int = 9093
    kafka_heap_mib: int = 512
    kafka_login: bool = False
    warehouse_port: int = 8123
    api_host: str = "127.0.0.1"
    api_port: int = 8000
    kafka_bootstrap: str | None = None
    clickhouse_url: str | None = None
