"""The whole system as its processes: topics, tables, one worker, the archive and one API."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest_api.accounts.keys import make
from pipeline.kafka.provision import provision
from pipeline.settings import KafkaSettings
from tests.flow.child import ACCOUNT_SECRETS, api, archive, worker
from tests.flow.stack import ADMIN_PASSWORD, JWT_SECRETS, Stack
from tests.pipeline.warehouse.databases import migrated_database
from tests.ports import free_ports


@contextlib.contextmanager
def standing(kafka_bootstrap: str, warehouse_url: str, folder: Path, **more: str) -> Iterator[Stack]:
    """A running system on that broker and a database of its own. `more` are settings of its processes."""
    kafka = KafkaSettings(bootstrap=kafka_bootstrap)
    provision(kafka)
    keys, kept = {}, []
    for name, scopes in (("writer", "read+write"), ("other", "read+write"), ("sensor", "write")):
        keys[name], form = make(name, scopes.split("+"))
        kept.append(str(form))
    with migrated_database(warehouse_url) as tables, contextlib.ExitStack() as running:
        [port] = free_ports(1)
        told = {
            "THALWEG_KAFKA_BOOTSTRAP": kafka_bootstrap,
            "THALWEG_CLICKHOUSE_URL": f"{warehouse_url}/{tables.database}",
            "THALWEG_ADMIN_PASSWORD": ADMIN_PASSWORD,
            "THALWEG_JWT_SECRETS": JWT_SECRETS,
            "THALWEG_ACCOUNT_SECRETS": ACCOUNT_SECRETS,
            "THALWEG_API_KEYS": ",".join(kept),
            "THALWEG_RATE_LIMITS": "1000",
            "THALWEG_WORKER_SESSION_SECONDS": "6",
            "THALWEG_ARCHIVE_GROUP": f"archive-{uuid.uuid4().hex[:8]}",
            **more,
        }
        parts = worker(80, told, folder), archive(told, folder), api(told, folder, port)
        stack = Stack(kafka, tables, *parts, keys, told)
        for part in (stack.worker, stack.archive, stack.api):
            part.launch()
            running.callback(part.stop)
        for part in (stack.worker, stack.archive, stack.api):
            part.await_ready(180)  # a worker may have to compile its kernel
        yield stack


@pytest.fixture(scope="module")
def stack(kafka_bootstrap: str, warehouse_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Runs while a module's tests run, on the session's broker. A test that stops a part starts it again; streams are
    named by `stack.stream()`."""
    with standing(kafka_bootstrap, warehouse_url, tmp_path_factory.mktemp("stack")) as stack:
        yield stack
