"""Commands straight to the log, about few entities and with few names, so that they get in each other's way."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from typing import Any

from pipeline.clock import now
from pipeline.errors import Failure
from pipeline.kafka.producer import Producer
from pipeline.settings import KafkaSettings
from pipeline.signatures import Signatures
from schemas.accounts.topics import COMMANDED
from schemas.codec import Codec
from schemas.entity import Commanded
from tests.flow.campaign.deeds import Deed, Deeds, Told
from tests.flow.child import ACCOUNT_SECRETS

NAMES = ("ada", "Ada", "bob", "BOB", "eve", "mallory", "trent", "Peggy", "victor")
"""Of users, over REST as well; some of them are the same name."""
ROLES = ("viewer", "user", "admin", "captain")
"""Nobody can be a captain."""
REST_SECONDS = 0.03
BROKEN = 0.02
Arguments = dict[str, Any]


class Commands:
    """Draws commands. Entities are named `prefix` and a number; `owner` is a user who has keys and webhooks besides."""

    def __init__(self, chance: random.Random, prefix: str, owner: str, names: tuple[str, ...] = NAMES) -> None:
        self._chance, self._prefix, self._owner, self._names = chance, prefix, owner, names
        self._codec = Codec()
        self._kinds: dict[str, tuple[int, Callable[[], tuple[str, Arguments]]]] = {
            "user": (8, self._of_user),
            "key": (5, self._of_key),
            "webhook": (3, self._of_webhook),
        }

    def draw(self, actor: str) -> tuple[bytes, bytes]:
        """(key, value); now and then it is no command at all."""
        chance = self._chance
        kind = chance.choices(("user", "key", "webhook"), (6, 3, 1))[0]
        count, of_kind = self._kinds[kind]
        entity_id = f"{self._prefix}{kind}-{chance.randrange(count)}"
        name, arguments = of_kind()
        if chance.random() < BROKEN:
            return entity_id.encode(), b"no command of " + actor.encode()
        if chance.random() < BROKEN:
            name = "fly"
        version = chance.choice((None, None, None, chance.randint(1, 8)))
        command = Commanded(kind, entity_id, name, json.dumps(arguments), version, actor, None, now())
        return entity_id.encode(), self._codec.encode(command)

    def _of_user(self) -> tuple[str, Arguments]:
        chance = self._chance
        session, digest = f"s{chance.randrange(3)}", f"d{chance.randrange(6)}"
        hour = now() + 3_600_000_000
        return chance.choice(
            (
                ("register", {"username": chance.choice(self._names), "roles": [chance.choice(ROLES)]}),
                ("register", {"username": chance.choice(self._names), "email": f"{digest}@example.com"}),
                ("administer", {"username": chance.choice(self._names), "roles": [chance.choice(ROLES)]}),
                ("administer", {"status": chance.choice(("active", "active", "banned"))}),
                ("describe", self._description()),
                ("delete", {}),
                (
                    "open_session",
                    {
                        "id": session,
                        "digest": digest,
                        "access_id": digest,
                        "expires_at": chance.choice((hour, now() + 2_000_000)),
                        "password_changed_at": None,
                    },
                ),
                ("refresh_session", {"id": session, "shown": [digest], "digest": "d5", "access_id": "d4"}),
                ("close_session", {"id": session}),
                ("spend_ticket", {"id": digest, "expires_at": hour}),
            )
        )

    def _description(self) -> Arguments:
        fields = ("full_name", "company", "bio", "website", "location")
        return {name: str(self._chance.random()) for name in fields} | {"notification_preferences": {"mail": True}}

    def _of_key(self) -> tuple[str, Arguments]:
        chance = self._chance
        owner = chance.choice((self._owner, f"{self._prefix}user-0", f"{self._prefix}user-1"))
        made = {
            "owner": owner,
            "name": "key",
            "prefix": "ncs_",
            "digest": f"{self._prefix}{chance.randrange(4)}",
            "permissions": [chance.choice(("clustering:read", "clustering:write", "users:write"))],
        }
        return chance.choice((("make", made), ("make", made), ("used", {"at": now()}), ("delete", {})))

    def _of_webhook(self) -> tuple[str, Arguments]:
        url = f"https://example.com/{self._chance.randrange(3)}"
        made = {"owner": self._owner, "url": url, "events": ["drift.detected"], "secret": "sealed"}
        changed = {"url": url, "enabled": self._chance.random() < 0.5}
        return self._chance.choice((("make", made), ("change", changed), ("disable", {"reason": url}), ("delete", {})))


async def command(kafka: KafkaSettings, deeds: Deeds, seed: int, stopping: asyncio.Event, owner: str) -> None:
    """One client, until it is told to stop: a command every REST_SECONDS."""
    drawn = Commands(random.Random(seed), "campaign-", owner)
    producer = Producer(
        kafka,
        "campaign-commands",
        timeout=30,
        keeps_trying=600,
        signatures=Signatures.from_environment({"THALWEG_ACCOUNT_SECRETS": ACCOUNT_SECRETS}),
    )
    under_way: set[asyncio.Task[None]] = set()
    while not stopping.is_set():
        deed = deeds.begin("straight to the log")
        task = asyncio.create_task(_write(producer, deed, *drawn.draw(f"system:{deed.mark}")))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
        await asyncio.sleep(REST_SECONDS)
    await asyncio.gather(*under_way)
    await producer.close(30)


async def _write(producer: Producer, deed: Deed, key: bytes, value: bytes) -> None:
    deed.value = value
    try:
        deed.offset = (await producer.send(COMMANDED.name, value, key=key)).offset
        deed.told = Told.ACCEPTED
    except Failure:
        pass  # it may be in the log, or come there later: without an id a second one would be another
