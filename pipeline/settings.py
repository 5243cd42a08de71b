"""Frozen settings, read from the environment once, at a process's entry, and passed down."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import unquote, urlsplit

from pipeline.errors import Misconfigured

T = TypeVar("T")
Environment = Mapping[str, str]


def setting(environ: Environment, name: str, default: T, read: Callable[[str], T]) -> T:
    """The variable read by `read`, or the default where it is unset or empty. Raises Misconfigured."""
    text = environ.get(name, "").strip()
    if not text:
        return default
    try:
        return read(text)
    except ValueError as error:
        raise Misconfigured(f"{name}={text!r} cannot be used: {error}") from error


def between(low: int, high: int) -> Callable[[str], int]:
    """A reader of whole numbers within bounds."""

    def read(text: str) -> int:
        value = int(text)
        if not low <= value <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return value

    return read


def flag(text: str) -> bool:
    """A reader of yes and no."""
    value = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    if text.lower() not in value:
        raise ValueError("true or false")
    return value[text.lower()]


def loopback(host: str) -> bool:
    """Whether an address as one writes it for listening, or as a peer's shows, is this machine's own."""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


@dataclass(frozen=True)
class KafkaSettings:
    """`partitions` holds for every topic that is keyed by stream; it is fixed once the topics exist."""

    bootstrap: str = "127.0.0.1:9092"
    partitions: int = 4
    replication: int = 1
    registry_url: str | None = None

    @classmethod
    def from_environment(cls, environ: Environment) -> KafkaSettings:
        return cls(
            bootstrap=setting(environ, "THALWEG_KAFKA_BOOTSTRAP", cls.bootstrap, str),
            partitions=setting(environ, "THALWEG_PARTITIONS", cls.partitions, between(1, 1000)),
            replication=setting(environ, "THALWEG_REPLICATION", cls.replication, between(1, 9)),
            registry_url=setting(environ, "THALWEG_SCHEMA_REGISTRY_URL", None, _optional),
        )


@dataclass(frozen=True)
class WarehouseSettings:
    """Where ClickHouse's HTTP interface is. `repr` keeps the password out of logs."""

    host: str = "127.0.0.1"
    port: int = 8123
    secure: bool = False
    user: str = "thalweg"
    password: str = ""
    database: str = "thalweg"

    def __repr__(self) -> str:
        return f"WarehouseSettings({self.user}@{self.host}:{self.port}/{self.database})"

    @classmethod
    def from_environment(cls, environ: Environment) -> WarehouseSettings:
        """THALWEG_CLICKHOUSE_URL is http(s)://[user:password@]host[:port][/database]; user and password may
        instead stand in THALWEG_WAREHOUSE_USER and THALWEG_WAREHOUSE_PASSWORD. Raises Misconfigured."""
        form = "THALWEG_CLICKHOUSE_URL must be http(s)://[user:password@]host[:port][/database]"
        try:
            url = urlsplit(setting(environ, "THALWEG_CLICKHOUSE_URL", "http://127.0.0.1:8123", str))
            port = url.port
        except ValueError:
            raise Misconfigured(form) from None  # not the cause itself: it may quote the password
        if url.scheme not in ("http", "https") or not url.hostname:
            raise Misconfigured(form)
        secure = url.scheme == "https"
        return cls(
            host=url.hostname,
            port=port or (8443 if secure else 8123),
            secure=secure,
            user=unquote(url.username) if url.username else setting(environ, "THALWEG_WAREHOUSE_USER", cls.user, str),
            password=unquote(url.password)
            if url.password
            else setting(environ, "THALWEG_WAREHOUSE_PASSWORD", cls.password, str),
            database=url.path.strip("/") or cls.database,
        )


def _optional(text: str) -> str | None:
    return text.rstrip("/")
