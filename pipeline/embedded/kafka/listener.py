"""How the embedded broker lets clients in: the server.properties that its security becomes.

The controller's port and the broker's own connections log in with the same password, or what the clients' port keeps
out would come in there.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pipeline.errors import Misconfigured
from pipeline.settings import KafkaSecurity

BROKER_USER = "broker"
"""Who the broker is to itself."""
CLIENTS, CONTROLLER = "CLIENTS", "CONTROLLER"
_PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule"
_SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule"


def listener_security(security: KafkaSecurity, pem: Path | None) -> dict[str, str]:
    """Of the listeners CLIENTS and CONTROLLER. The user of `security` may do everything, by PLAIN; users made with
    SCRAM may do what ACLs say (KIP-11). `pem` is the certificate with its key, needed where `security` encrypts.
    Raises Misconfigured."""
    controller = "SASL_PLAINTEXT" if security.logs_in else "PLAINTEXT"
    told = {
        "listener.security.protocol.map": f"{CLIENTS}:{security.protocol},{CONTROLLER}:{controller}",
    }
    if security.encrypted:
        told |= _tls(security, pem)
    if security.logs_in:
        told |= _logins(security)
    return told


def _tls(security: KafkaSecurity, pem: Path | None) -> dict[str, str]:
    if pem is None:
        raise Misconfigured(f"a broker that speaks {security.protocol} needs a certificate: --pem FILE")
    return {
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(pem.resolve()),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": security.ca_file or str(pem.resolve()),
    }


def _logins(security: KafkaSecurity) -> dict[str, str]:
    users = {BROKER_USER: security.password, security.username: security.password}
    plain = _jaas(_PLAIN, {"username": BROKER_USER, "password": security.password}, users)
    scram = _jaas(_SCRAM, {}, {})
    prefix = f"listener.name.{CLIENTS.lower()}"
    return {
        "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
        "sasl.mechanism.inter.broker.protocol": "PLAIN",
        "sasl.mechanism.controller.protocol": "PLAIN",
        f"{prefix}.plain.sasl.jaas.config": plain,
        f"{prefix}.scram-sha-256.sasl.jaas.config": scram,
        f"{prefix}.scram-sha-512.sasl.jaas.config": scram,
        f"listener.name.{CONTROLLER.lower()}.sasl.enabled.mechanisms": "PLAIN",
        f"listener.name.{CONTROLLER.lower()}.plain.sasl.jaas.config": plain,
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": ";".join(f"User:{user}" for user in users),
    }


def _jaas(module: str, own: Mapping[str, str], users: Mapping[str, str]) -> str:
    options = {**own, **{f"user_{name}": password for name, password in users.items()}}
    return " ".join([module, "required", *(f"{name}={_quoted(value)}" for name, value in options.items())]) + ";"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
