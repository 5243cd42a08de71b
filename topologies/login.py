"""How Faust, and aiokafka beneath it, log in to Kafka."""

from __future__ import annotations

import ssl

import faust
from faust.types.auth import CredentialsT

from pipeline.errors import Misconfigured
from pipeline.settings import KafkaSecurity


def credentials(security: KafkaSecurity) -> CredentialsT | None:
    """None: neither encrypted nor logged in. Raises Misconfigured where a certificate cannot be used."""
    context = _context(security) if security.encrypted else None
    if security.logs_in:
        return faust.SASLCredentials(
            username=security.username,
            password=security.password,
            mechanism=security.mechanism,
            ssl_context=context,
        )
    return None if context is None else faust.SSLCredentials(context)


def _context(security: KafkaSecurity) -> ssl.SSLContext:
    """Checks the broker's certificate, and that it is for the name by which the broker was asked."""
    try:
        context = ssl.create_default_context(cafile=security.ca_file)
        if security.cert_file is not None:
            context.load_cert_chain(security.cert_file, security.key_file)
    except OSError as error:
        raise Misconfigured(
            "THALWEG_KAFKA_CA_FILE, THALWEG_KAFKA_CERT_FILE or THALWEG_KAFKA_KEY_FILE cannot be used: each is PEM, a "
            f"key without a passphrase ({error.strerror or error})"
        ) from error
    return context
