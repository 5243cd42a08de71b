"""A warehouse process for tests, and how to speak to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import clickhouse_connect
import httpx

from pipeline.embedded.warehouse.process import WarehouseProcess
from tests.ports import free_ports

OWNER = ("thalweg", "owner's pass: word")
ANALYST = ("analyst", "analyst-password")
ENVIRONMENT = {
    "THALWEG_WAREHOUSE_USER": OWNER[0],
    "THALWEG_WAREHOUSE_PASSWORD": OWNER[1],
    "THALWEG_ANALYST_PASSWORD": ANALYST[1],
}


@dataclass(frozen=True)
class Answer:
    status: int
    code: int
    body: bytes
    headers: httpx.Headers

    @property
    def text(self) -> str:
        return self.body.decode()


@dataclass(frozen=True)
class Warehouse:
    """`ask` is what curl would do; `client` is the ordinary clickhouse-connect client."""

    port: int
    process: WarehouseProcess

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def ask(
        self,
        body: str | bytes = b"",
        user: tuple[str, str] | None = OWNER,
        method: str = "POST",
        headers: dict[str, str] | None = None,
        **fields: str,
    ) -> Answer:
        response = httpx.request(
            method, self.url, params=fields, content=body or None, auth=user, headers=headers, timeout=60
        )
        code = int(response.headers.get("x-clickhouse-exception-code", "0"))
        return Answer(response.status_code, code, response.content, response.headers)

    def client(self, user: tuple[str, str] = OWNER, **options: Any) -> Any:
        return clickhouse_connect.get_client(
            host="127.0.0.1", port=self.port, username=user[0], password=user[1], database="thalweg", **options
        )


@contextmanager
def running(data_dir: Path, **environment: str) -> Iterator[Warehouse]:
    (port,) = free_ports(1)
    with WarehouseProcess(data_dir, port, ENVIRONMENT | environment) as process:
        yield Warehouse(port, process)
