"""How the archive gathers and sends."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.settings import Environment, between, setting


@dataclass(frozen=True)
class ArchiveSettings:
    """A partition's rows are sent when there are `block_rows` of them or the oldest has waited `linger_ms`. While a
    block is under way the next one gathers, up to `most_rows`. All that is gathered and under way stays below
    `memory_mib` or so; `threads` blocks are under way at a time. With `instance` the group knows this process by name
    and gives it its partitions back when it restarts."""

    group: str = "thalweg-archive"
    instance: str | None = None
    session_ms: int = 10_000
    block_rows: int = 10_000
    most_rows: int = 200_000
    linger_ms: int = 500
    memory_mib: int = 256
    threads: int = 2

    @classmethod
    def from_environment(cls, environ: Environment) -> ArchiveSettings:
        return cls(
            group=setting(environ, "THALWEG_ARCHIVE_GROUP", cls.group, str),
            instance=setting(environ, "THALWEG_ARCHIVE_INSTANCE", None, _some),
            session_ms=setting(environ, "THALWEG_ARCHIVE_SESSION_MS", cls.session_ms, between(6_000, 300_000)),
            block_rows=setting(environ, "THALWEG_ARCHIVE_BLOCK_ROWS", cls.block_rows, between(1, 200_000)),
            linger_ms=setting(environ, "THALWEG_ARCHIVE_LINGER_MS", cls.linger_ms, between(1, 60_000)),
            memory_mib=setting(environ, "THALWEG_ARCHIVE_MEMORY_MIB", cls.memory_mib, between(16, 65_536)),
            threads=setting(environ, "THALWEG_ARCHIVE_THREADS", cls.threads, between(1, 32)),
        )


def _some(text: str) -> str | None:
    return text
