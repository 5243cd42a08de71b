"""What every client of librdkafka is told: where the brokers are and how to log in; and of readers, that only
committed records count."""

from __future__ import annotations

from typing import Any

from pipeline.settings import KafkaSettings

Configuration = dict[str, Any]


def connection(settings: KafkaSettings) -> Configuration:
    """Of any client."""
    security = settings.security
    told: Configuration = {"bootstrap.servers": settings.bootstrap, "security.protocol": security.protocol}
    if security.logs_in:
        told |= {
            "sasl.mechanism": security.mechanism,
            "sasl.username": security.username,
            "sasl.password": security.password,
        }
    files = {
        "ssl.ca.location": security.ca_file,
        "ssl.certificate.location": security.cert_file,
        "ssl.key.location": security.key_file or security.cert_file,
    }
    return told | {name: path for name, path in files.items() if path is not None}


def reading(settings: KafkaSettings, group: str) -> Configuration:
    """Of a reader that says itself where it begins and what it commits. librdkafka wants a group even of one that
    commits nothing. A record of a transaction comes once the transaction is committed, of an aborted one never; where
    a partition ends is then the last stable offset (KIP-98)."""
    return connection(settings) | {
        "group.id": group,
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "earliest",
        "fetch.min.bytes": 1,
        "fetch.error.backoff.ms": 100,
        "allow.auto.create.topics": False,
    }
