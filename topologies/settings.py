"""A worker's frozen settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.settings import Environment, KafkaSettings, between, flag, setting
from pipeline.signatures import Signatures
from schemas.catalogue import INPUTS
from topologies.checkpoint import Rhythm


@dataclass(frozen=True)
class WorkerSettings:
    """`ordinal` numbers the workers from 0. With `static` membership a restarted worker takes its partitions back
    without a rebalance, and a dead one keeps them for `session_seconds`."""

    kafka: KafkaSettings = field(default_factory=KafkaSettings)
    ordinal: int = 0
    domains: Sequence[str] = tuple(INPUTS)
    """What the process runs; each domain in its own consumer group."""
    static: bool = True
    session_seconds: int = 30
    data_dir: Path = Path(".thalweg")
    rhythm: Rhythm = field(default_factory=Rhythm)
    run_records: int = 10_000
    """At most in one run: a backlog of 2,000 streams then brings some of each, to be learned at once. A rebalance may
    wait for a run: for two seconds if all of it must be taken one by one."""
    fetch_bytes: int = 4 * 1024 * 1024
    streams_per_partition: int = 10_000
    """Streams of one partition; a new one beyond is refused, whoever writes it."""
    signatures: Signatures | None = None
    """By which commands are believed, and what comes of them is signed."""

    @property
    def faust_dir(self) -> Path:
        """Faust wants a directory of its own, though nothing of ours is kept there."""
        return self.data_dir / "faust" / self.name

    @property
    def name(self) -> str:
        return f"worker-{self.ordinal}"

    @property
    def instance(self) -> str | None:
        """The static member's name in each group (KIP-345); None where membership is dynamic."""
        return f"thalweg-{self.name}" if self.static else None

    @classmethod
    def from_environment(
        cls, environ: Environment, ordinal: int | None = None, domains: str | None = None
    ) -> WorkerSettings:
        """`ordinal` and `domains` stand before their variables. Raises Misconfigured."""
        told = {**environ, "THALWEG_WORKER_DOMAINS": domains} if domains is not None else environ
        return cls(
            domains=setting(told, "THALWEG_WORKER_DOMAINS", cls.domains, _domains),
            kafka=KafkaSettings.from_environment(environ),
            ordinal=setting(environ, "THALWEG_WORKER_ORDINAL", 0, between(0, 9999)) if ordinal is None else ordinal,
            static=setting(environ, "THALWEG_WORKER_STATIC", True, flag),
            session_seconds=setting(environ, "THALWEG_WORKER_SESSION_SECONDS", 30, between(6, 300)),
            streams_per_partition=setting(
                environ, "THALWEG_STREAMS_PER_PARTITION", cls.streams_per_partition, between(1, 10_000_000)
            ),
            signatures=Signatures.from_environment(environ),
            data_dir=setting(environ, "THALWEG_DATA_DIR", Path(".thalweg"), Path),
            rhythm=Rhythm(
                records=setting(environ, "THALWEG_CHECKPOINT_RECORDS", 20_000, between(1, 10_000_000)),
                seconds=setting(environ, "THALWEG_CHECKPOINT_MS", 500, between(10, 60_000)) / 1000,
            ),
        )


def _domains(value: str) -> tuple[str, ...]:
    """Names with commas between. Raises ValueError."""
    names = [name.strip() for name in value.split(",")]
    if unknown := [name for name in names if name not in INPUTS]:
        raise ValueError(f"no domain {', '.join(map(repr, unknown))}; there are {', '.join(INPUTS)}")
    return tuple(name for name in INPUTS if name in names)
