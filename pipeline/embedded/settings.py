"""What `thalweg up` is told: where the data lives, which ports, how many workers, what is somewhere else."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path


def _cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class StackSettings:
    """`kafka_bootstrap` and `clickhouse_url`, where set, take the place of the embedded part of that name. With
    `kafka_login` the embedded broker lets in who has the password of the data directory."""

    data_dir: Path = Path(".thalweg")
    workers: int = 1
    """Of each domain."""
    cores: int = field(default_factory=_cores)
    """Domains run in processes of their own while there are cores for them, else some share one."""
    kafka_port: int = 9092
    kafka_controller_port: int = 9093
    kafka_heap_mib: int = 512
    kafka_login: bool = False
    warehouse_port: int = 8123
    api_host: str = "127.0.0.1"
    api_port: int = 8000
    kafka_bootstrap: str | None = None
    clickhouse_url: str | None = None
