"""What an operator can set for the warehouse process, and the bounds it keeps."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace

from pipeline.errors import Misconfigured
from pipeline.settings import Environment, between, secret, setting

MIB = 1 << 20

SECRETS = ("THALWEG_WAREHOUSE_PASSWORD", "THALWEG_ANALYST_PASSWORD")
# Between the two stages of the process: the pipe that holds the secrets, and whether Landlock holds.
SECRETS_FD = "THALWEG_WAREHOUSE_SECRETS_FD"
CONFINED = "THALWEG_WAREHOUSE_CONFINED"
TEMPORARY = "tmp"


def _engine_memory() -> int:
    """4 GiB, on a small machine half of what it has."""
    return min(4096 * MIB, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2)


@dataclass(frozen=True)
class Limits:
    """Sizes in bytes, times in seconds. Those that begin with `analyst_` are the analyst's own; none of the owner's is
    spent by the analyst."""

    body: int = 256 * MIB
    inflated: int = 2048 * MIB
    in_flight: int = 1024 * MIB
    query: int = MIB
    workers: int = 16
    queue: int = 64
    queue_wait: float = 30.0
    sessions: int = 1000
    session_timeout: int = 60
    session_timeout_max: int = 3600
    first_answer: int = MIB
    result: int = 512 * MIB
    memory: int = field(default_factory=_engine_memory)
    analyst_workers: int = 4
    analyst_queue: int = 16
    analyst_query: int = 256 << 10
    analyst_body: int = 32 * MIB
    analyst_sessions: int = 100
    analyst_connections: int = 128
    analyst_result: int = 128 * MIB
    analyst_time: int = 60
    analyst_memory: int = 2048 * MIB
    analyst_rows: int = 10_000_000
    connections: int = 512
    head: int = 128 << 10
    head_time: float = 10.0
    body_pause: float = 60.0
    body_time: float = 600.0
    answer_time: float = 3600.0
    log_days: int = 7

    def for_analyst(self) -> Limits:
        """The same for the analyst's requests. All that run at once have at most half of the engine's memory."""
        return replace(
            self,
            workers=self.analyst_workers,
            queue=self.analyst_queue,
            query=min(self.query, self.analyst_query),
            body=min(self.body, self.analyst_body),
            inflated=min(self.inflated, self.analyst_body),
            in_flight=4 * self.analyst_body,
            sessions=self.analyst_sessions,
            result=min(self.result, self.analyst_result),
            analyst_memory=min(self.analyst_memory, self.memory // 2 // self.analyst_workers),
            body_time=min(self.body_time, self.analyst_time),
            answer_time=2.0 * self.analyst_time,
        )


@dataclass(frozen=True)
class ServerSettings:
    """Credentials and bounds of one warehouse process. `repr` keeps the passwords out of logs."""

    user: str = "thalweg"
    password: str = ""
    analyst_password: str = ""
    database: str = "thalweg"
    limits: Limits = field(default_factory=Limits)

    def __repr__(self) -> str:
        return f"ServerSettings(user={self.user!r}, database={self.database!r}, limits={self.limits})"

    @classmethod
    def from_environment(cls, environ: Environment) -> ServerSettings:
        """THALWEG_WAREHOUSE_USER and _PASSWORD name the owner; without THALWEG_ANALYST_PASSWORD there is no
        analyst; THALWEG_WAREHOUSE_BODY_MIB and _MEMORY_MIB bound a request and the engine. Raises Misconfigured."""
        base = Limits()
        body = setting(environ, "THALWEG_WAREHOUSE_BODY_MIB", base.body // MIB, between(1, 1024)) * MIB
        limits = Limits(
            body=body,
            inflated=8 * body,
            in_flight=max(base.in_flight, body),
            memory=setting(environ, "THALWEG_WAREHOUSE_MEMORY_MIB", base.memory // MIB, between(512, 1 << 20)) * MIB,
        )
        settings = cls(
            user=setting(environ, "THALWEG_WAREHOUSE_USER", cls.user, str),
            password=secret(environ, "THALWEG_WAREHOUSE_PASSWORD", "", str),
            analyst_password=secret(environ, "THALWEG_ANALYST_PASSWORD", "", str),
            limits=limits,
        )
        if settings.user == "analyst":
            raise Misconfigured("THALWEG_WAREHOUSE_USER=analyst is the read-only user's name: choose another")
        return settings
