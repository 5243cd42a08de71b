"""What clickhouse-go 2.51 and clickhouse-jdbc 0.9.4 sent, and what answered them well: for machines without Go or Java.

Each line of recorded.jsonl is a request of the programs beside it (small ones, without credentials), with the status,
code and format that followed and, where it is the same each time, the answer without its compression.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from pipeline.embedded.warehouse.compression import decoded
from pipeline.embedded.warehouse.framing import unframed
from tests.clients.warehouse.programs import HERE
from tests.pipeline.embedded.warehouse.running import ANALYST, OWNER, Warehouse

ACCOUNTS = {"owner": OWNER, "analyst": ANALYST}
MOST = 1 << 20


def _recorded(client: str, account: str) -> Iterator[dict[str, Any]]:
    for line in (HERE / "recorded.jsonl").read_text("utf-8").splitlines():
        exchange = json.loads(line)
        if (exchange["client"], exchange["as"]) == (client, account):
            yield exchange


@pytest.mark.parametrize("account", ACCOUNTS)
@pytest.mark.parametrize("client", ["go", "jdbc"])
def test_a_clients_requests_are_answered_as_they_were(warehouse: Warehouse, client: str, account: str) -> None:
    exchanges = list(_recorded(client, account))
    assert len(exchanges) > 10
    with httpx.Client(auth=ACCOUNTS[account], timeout=60) as session:
        for exchange in exchanges:
            address = warehouse.url.rstrip("/") + exchange["target"]
            body = base64.b64decode(exchange["body"])
            request = session.build_request(exchange["method"], address, headers=exchange["headers"], content=body)
            answer = session.send(request, stream=True)
            raw = b"".join(answer.iter_raw())
            code = int(answer.headers.get("x-clickhouse-exception-code", "0"))
            said = (answer.status_code, code, answer.headers.get("x-clickhouse-format"))
            assert said == (exchange["status"], exchange["code"], exchange["format"]), body
            if exchange["answer"] is not None:
                assert _plain(answer, raw, exchange["target"]) == base64.b64decode(exchange["answer"]), body


def _plain(answer: httpx.Response, raw: bytes, target: str) -> bytes:
    coding = answer.headers.get("content-encoding", "")
    is_framed = not coding and parse_qs(urlsplit(target).query).get("compress") == ["1"]
    return b"".join(unframed([raw]) if is_framed else decoded(coding, [raw], MOST))
