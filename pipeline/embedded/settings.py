"""What `thalweg up` is told: where the data lives, which ports, how many workers, what is somewhere else."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipeline.settings import Environment, between, setting

_port = between(1, 65535)


@dataclass(frozen=True)
class StackSettings:
    """`kafka_bootstrap` and `clickhouse_url`, where set, take the place of the embedded part of that name."""

    data_dir: Path = Path(".thalweg")
    workers: int = 1
    kafka_port: int = 9092
    kafka_controller_port: int = 9093
    kafka_heap_mib: int = 512
    warehouse_port: int = 8123
    api_host: str = "127.0.0.1"
    api_port: int = 8000
    kafka_bootstrap: str | None = None
    clickhouse_url: str | None = None

    @classmethod
    def from_environment(cls, environ: Environment) -> StackSettings:
        """Raises Misconfigured."""
        return cls(
            data_dir=setting(environ, "THALWEG_DATA_DIR", cls.data_dir, Path),
            workers=setting(environ, "THALWEG_WORKERS", cls.workers, between(1, 64)),
            kafka_port=setting(environ, "THALWEG_KAFKA_PORT", cls.kafka_port, _port),
            kafka_controller_port=setting(environ, "THALWEG_KAFKA_CONTROLLER_PORT", cls.kafka_controller_port, _port),
            kafka_heap_mib=setting(environ, "THALWEG_KAFKA_HEAP_MIB", cls.kafka_heap_mib, between(128, 65536)),
            warehouse_port=setting(environ, "THALWEG_WAREHOUSE_PORT", cls.warehouse_port, _port),
            api_host=setting(environ, "THALWEG_API_HOST", cls.api_host, str),
            api_port=setting(environ, "THALWEG_API_PORT", cls.api_port, _port),
            kafka_bootstrap=setting(environ, "THALWEG_KAFKA_BOOTSTRAP", None, str),
            clickhouse_url=setting(environ, "THALWEG_CLICKHOUSE_URL", None, str),
        )
