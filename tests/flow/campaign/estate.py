"""What a run has left behind of the accounts: commands, entities, audit, dead letters, and what API processes show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from ingest_api.accounts.answers import admin_json, key_json, webhook_json
from pipeline.kafka.browse import stretch
from pipeline.settings import KafkaSettings
from pipeline.warehouse.connection import Connection
from schemas.accounts.keys import Key
from schemas.accounts.topics import COMMANDED
from schemas.accounts.users import User
from schemas.accounts.webhooks import Webhook
from schemas.codec import Codec
from schemas.exchange import REPLIES, Refused, Replied
from tests.flow.campaign.people import ANSWER_SECONDS, bearer
from tests.flow.oracle import Change, Name, Oracle, kept, told

OWNER = "admin"
"""Whose keys and webhooks are looked at over REST."""
PAGE = 100
Shown = Mapping[str, Sequence[Any]]
"""By path: the list as one API process shows it."""
AuditRow = tuple[str, str, str | None, str, str | None, int, dict[str, str]]
"""(actor, action, target, verdict, reason, microseconds, details)"""


@dataclass(frozen=True)
class Estate:
    """`told` and `kept`: what entity topics and changelog have of each entity. `replies` by request and `letters`, the
    reasons, by offset of the command. `audit`: the rows by that offset. `shown` by URL of the API process."""

    oracle: Oracle
    told: Mapping[Name, Sequence[Change]]
    kept: Mapping[Name, Sequence[Change]]
    replies: Mapping[str, Sequence[Replied]]
    letters: Mapping[int, set[str]]
    audit: Mapping[int, Sequence[AuditRow]]
    shown: Mapping[str, Shown]


def survey(kafka: KafkaSettings) -> Estate:
    """Of the log alone. Blocking. Raises LogUnavailable."""
    codec = Codec()
    replies: dict[str, list[Replied]] = {}
    for record in stretch(kafka, REPLIES.name):
        reply = codec.decode(record.value or b"", Replied)
        if reply.topic == COMMANDED.name:
            replies.setdefault(reply.request_id, []).append(reply)
    letters: dict[int, set[str]] = {}
    for record in stretch(kafka, COMMANDED.refused):
        letter = codec.decode(record.value or b"", Refused)
        letters.setdefault(letter.source_offset, set()).add(letter.reason)
    oracle = Oracle(stretch(kafka, COMMANDED.name), codec)
    return Estate(oracle, told(kafka, codec), kept(kafka), replies, letters, {}, {})


def audit_of(connection: Connection) -> Mapping[int, Sequence[AuditRow]]:
    """Blocking. Raises WarehouseUnavailable."""
    rows: dict[int, list[AuditRow]] = {}
    for offset, *row in connection.rows(
        "SELECT source_offset, actor, action, target, verdict, reason, toUnixTimestamp64Micro(at), details "
        "FROM audit WHERE source_offset IS NOT NULL"
    ):
        actor, action, target, verdict, reason, at, details = row
        rows.setdefault(offset, []).append((actor, action, target, verdict, reason, at, dict(details)))
    return rows


async def shown_by(url: str, token: str) -> Shown:
    """Every user, and the owner's keys and webhooks, as that API process has them. Raises httpx.HTTPError."""
    users: list[Any] = []
    async with httpx.AsyncClient(base_url=url, headers=bearer(token), timeout=ANSWER_SECONDS) as http:
        while True:
            query = {"page": len(users) // PAGE + 1, "page_size": PAGE}
            page = (await http.get("/api/admin/users", params=query)).raise_for_status().json()
            users += page["users"]
            if len(users) >= page["total"] or not page["users"]:
                break
        ones = [(await http.get(f"/api/users/{user['number']}")).raise_for_status() for user in users]
        keys = (await http.get("/api/users/api-keys")).raise_for_status().json()["data"]
        hooks = (await http.get("/api/webhooks", params={"limit": PAGE})).raise_for_status().json()["data"]
    return {
        "/api/admin/users": users,
        "/api/users/…": [one.headers["etag"] for one in ones],
        "/api/users/api-keys": sorted(keys, key=_id),
        "/api/webhooks": sorted(hooks, key=_id),
    }


def to_show(oracle: Oracle) -> Shown:
    """What every API process must show."""
    users = sorted(oracle.all(User), key=lambda user: int(user.number))
    keys = [key_json(key) for key in oracle.all(Key) if key.owner == OWNER]
    hooks = [webhook_json(webhook) for webhook in oracle.all(Webhook) if webhook.owner == OWNER]
    return {
        "/api/admin/users": [admin_json(user) for user in users],
        "/api/users/…": [f'"{user.version}"' for user in users],
        "/api/users/api-keys": sorted(keys, key=_id),
        "/api/webhooks": sorted(hooks, key=_id),
    }


def _id(shown: Mapping[str, Any]) -> str:
    return str(shown["id"])
