"""Frozen settings, read from the environment once, at a process's entry, and passed down."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote, urlsplit

from pipeline.errors import Misconfigured

T = TypeVar("T")
Environment = Mapping[str, str]
COMPRESSIONS = ("none", "gzip", "snappy", "lz4", "zstd")
"""Kafka's, by the names that librdkafka has for them."""
FILE_LIMIT = 64 * 1024
"""Bytes of a file that holds a setting."""


def text_of(environ: Environment, name: str) -> str:
    """What NAME says, or the file that NAME_FILE names, without white space around it; empty where neither is set.
    Raises Misconfigured, which repeats nothing of the file."""
    text, path = environ.get(name, "").strip(), environ.get(f"{name}_FILE", "").strip()
    if not path:
        return text
    if text:
        raise Misconfigured(f"{name} and {name}_FILE are both set: unset one")
    try:
        with Path(path).open("rb") as file:
            told = file.read(FILE_LIMIT + 1).decode()
    except OSError as error:
        raise Misconfigured(f"{name}_FILE={path!r} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise Misconfigured(f"{name}_FILE={path!r} cannot be used: it is no UTF-8 text") from None
    if not told.strip() or len(told) > FILE_LIMIT:
        raise Misconfigured(f"{name}_FILE={path!r} cannot be used: it is {'too long' if told.strip() else 'empty'}")
    return told.strip()


def setting(environ: Environment, name: str, default: T, read: Callable[[str], T]) -> T:
    """The variable read by `read`, or the default where it is unset or empty. Raises Misconfigured."""
    return _read(environ, name, default, read, shown=True)


def secret(environ: Environment, name: str, default: T, read: Callable[[str], T]) -> T:
    """Like `setting`, but the complaint does not repeat the value, nor has it a cause that might."""
    return _read(environ, name, default, read, shown=False)


def _read(environ: Environment, name: str, default: T, read: Callable[[str], T], *, shown: bool) -> T:
    text = text_of(environ, name)
    if not text:
        return default
    try:
        return read(text)
    except ValueError as error:
        what, cause = (f"{name}={text!r}", error) if shown else (name, None)
        raise Misconfigured(f"{what} cannot be used: {error}") from cause


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


def one_of(*values: str) -> Callable[[str], str]:
    """A reader of one of these words."""

    def read(text: str) -> str:
        if text not in values:
            raise ValueError(f"one of {', '.join(values)}")
        return text

    return read


def a_file(text: str) -> str:
    """A reader of the path of a file that can be read."""
    try:
        with Path(text).open("rb"):
            return text
    except OSError as error:
        raise ValueError(f"the file cannot be read: {error.strerror}") from error


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


PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")


@dataclass(frozen=True)
class KafkaSecurity:
    """How brokers are spoken to, in Kafka's own words (`security.protocol`, `sasl.mechanism`). `ca_file` are the
    authorities that a broker's certificate must come from, None: the system's; `cert_file` and `key_file` are our own
    certificate. All are PEM. `repr` keeps the password out of logs."""

    protocol: str = "PLAINTEXT"
    mechanism: str = "PLAIN"
    username: str = ""
    password: str = field(default="", repr=False)
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None

    @property
    def encrypted(self) -> bool:
        return self.protocol.endswith("SSL")

    @property
    def logs_in(self) -> bool:
        """By user name and password."""
        return self.protocol.startswith("SASL")

    @classmethod
    def from_environment(cls, environ: Environment) -> KafkaSecurity:
        """Raises Misconfigured, naming the variable and never what a secret one holds."""
        read = cls(
            protocol=setting(environ, "THALWEG_KAFKA_SECURITY_PROTOCOL", cls.protocol, one_of(*PROTOCOLS)),
            mechanism=setting(environ, "THALWEG_KAFKA_SASL_MECHANISM", cls.mechanism, one_of(*MECHANISMS)),
            username=setting(environ, "THALWEG_KAFKA_USERNAME", "", str),
            password=secret(environ, "THALWEG_KAFKA_PASSWORD", "", str),
            ca_file=setting(environ, "THALWEG_KAFKA_CA_FILE", None, a_file),
            cert_file=setting(environ, "THALWEG_KAFKA_CERT_FILE", None, a_file),
            key_file=setting(environ, "THALWEG_KAFKA_KEY_FILE", None, a_file),
        )
        read.check()
        return read

    def check(self) -> None:
        """Raises Misconfigured for what does not go together."""
        if self.logs_in and not (self.username and self.password):
            raise Misconfigured(
                f"THALWEG_KAFKA_SECURITY_PROTOCOL={self.protocol} needs THALWEG_KAFKA_USERNAME, and "
                "THALWEG_KAFKA_PASSWORD or THALWEG_KAFKA_PASSWORD_FILE"
            )
        if not self.logs_in and (self.username or self.password):
            raise Misconfigured(
                "THALWEG_KAFKA_USERNAME or THALWEG_KAFKA_PASSWORD is set, and "
                f"THALWEG_KAFKA_SECURITY_PROTOCOL={self.protocol} logs nobody in: set it to "
                "SASL_SSL, or to SASL_PLAINTEXT where the network is yours alone"
            )
        if not self.encrypted and (self.ca_file or self.cert_file or self.key_file):
            raise Misconfigured(
                "THALWEG_KAFKA_CA_FILE, THALWEG_KAFKA_CERT_FILE or THALWEG_KAFKA_KEY_FILE is set, and "
                f"THALWEG_KAFKA_SECURITY_PROTOCOL={self.protocol} does not encrypt: set it to SSL or SASL_SSL"
            )
        if self.key_file and not self.cert_file:
            raise Misconfigured("THALWEG_KAFKA_KEY_FILE is set without THALWEG_KAFKA_CERT_FILE, whose key it is to be")


OPEN = KafkaSecurity()
"""Neither encrypted nor logged in."""


@dataclass(frozen=True)
class KafkaSettings:
    """`partitions` holds for every topic that is keyed by stream; it is fixed once the topics exist. `compression` is
    of what we write; whatever producers of their own choose is read."""

    bootstrap: str = "127.0.0.1:9092"
    partitions: int = 4
    replication: int = 1
    compression: str = "none"
    registry_url: str | None = None
    security: KafkaSecurity = OPEN

    @classmethod
    def from_environment(cls, environ: Environment) -> KafkaSettings:
        return cls(
            bootstrap=setting(environ, "THALWEG_KAFKA_BOOTSTRAP", cls.bootstrap, str),
            partitions=setting(environ, "THALWEG_PARTITIONS", cls.partitions, between(1, 1000)),
            replication=setting(environ, "THALWEG_REPLICATION", cls.replication, between(1, 9)),
            compression=setting(environ, "THALWEG_KAFKA_COMPRESSION", cls.compression, one_of(*COMPRESSIONS)),
            registry_url=setting(environ, "THALWEG_SCHEMA_REGISTRY_URL", None, _optional),
            security=KafkaSecurity.from_environment(environ),
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
            else secret(environ, "THALWEG_WAREHOUSE_PASSWORD", cls.password, str),
            database=url.path.strip("/") or cls.database,
        )


def _optional(text: str) -> str | None:
    return text.rstrip("/")
