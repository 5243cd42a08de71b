"""Entities on the log: how fast one writer decides, how soon a view of 100,000 is there, what a list out of it costs.

    python -m bench.entities [--entities 100000] [--quick] [--json FILE]

The log is filled with commands, each of which makes a user, and a worker decides over them: its clock runs from its
announcement that it is ready to the commit of the last command. Then the worker is started anew, which restores the
ledger, and answers one command more. A view is booted as an API process boots it, beside a bare librdkafka consumer
that reads the same topic and keeps nothing. A page is the first of a list, filtered and sorted, as `GET /api/users`
makes it, beside sorting all of it.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from bench.sheet import Row, finish, parser
from ingest_api.entities.listing import page_of
from ingest_api.entities.views import EntityViews, following
from pipeline.clock import now
from pipeline.embedded.kafka.broker import BrokerProcess
from pipeline.kafka.browse import committed, ends, stretch
from pipeline.kafka.flight import Flight
from pipeline.kafka.producer import Producer
from pipeline.kafka.provision import provision
from pipeline.settings import KafkaSettings
from schemas.accounts.topics import COMMANDED, INVITATIONS, KEYS, STREAMS, USERS, WEBHOOKS
from schemas.accounts.users import User
from schemas.catalogue import group_reading
from schemas.codec import Codec
from schemas.entity import Commanded
from tests.flow.child import worker
from tests.ports import free_ports

REPEATS = 5
GOAL_DECISIONS = 1000
PASSWORD = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$" + "x" * 43


def main() -> None:
    flags = parser(__doc__ or "")
    flags.add_argument("--entities", type=int, default=100_000)
    arguments = flags.parse_args()
    count = 2_000 if arguments.quick else arguments.entities
    with tempfile.TemporaryDirectory() as name, BrokerProcess(Path(name) / "broker", *free_ports(2)) as broker:
        kafka = KafkaSettings(broker.bootstrap)
        provision(kafka)
        rows = [*decided(kafka, count, Path(name)), *asyncio.run(viewed(kafka, count))]
    finish(f"{count:,} entities", rows, arguments)


def decided(kafka: KafkaSettings, count: int, folder: Path) -> list[Row]:
    asyncio.run(order(kafka, 0, count))
    with worker(0, {"THALWEG_KAFKA_BOOTSTRAP": kafka.bootstrap}, folder) as process:
        took = until_committed(kafka)
        memory = psutil.Process(process.process.pid).memory_info().rss / 2**20
    made = sum(mark.high - mark.low for mark in ends(kafka, USERS.name).values())
    if made < count:  # each is told again after two minutes, so that there may be more
        raise SystemExit(f"{count} commands made {made} users")
    asyncio.run(order(kafka, count, 1))
    begun = time.perf_counter()
    with worker(0, {"THALWEG_KAFKA_BOOTSTRAP": kafka.bootstrap}, folder):
        until_committed(kafka)
        again = time.perf_counter() - begun
    rate = count / took
    return [
        Row("commands decided by one worker", rate, "/s", goal=f"{GOAL_DECISIONS:,}/s", reached=rate >= GOAL_DECISIONS),
        Row("the worker's memory with all of them", memory, "MiB"),
        Row("start of a worker, ledger restored, one command more", again, "s"),
    ]


async def order(kafka: KafkaSettings, first: int, count: int) -> None:
    """Commands that each make a user."""
    codec, producer, flight = Codec(), Producer(kafka, "bench"), Flight()
    for number in range(first, first + count):
        given = {
            "username": f"user{number:06}",
            "email": f"user{number}@example.com",
            "password": PASSWORD,
            "roles": ["viewer" if number % 10 else "node_operator"],
        }
        command = Commanded("user", f"{number:024x}", "register", json.dumps(given), None, "system:bench", None, now())
        producer.launch(flight, COMMANDED.name, codec.encode(command), key=command.entity_id.encode())
        if number % 10_000 == 0:
            await flight.landed()
    await flight.landed()
    await producer.close()


def until_committed(kafka: KafkaSettings) -> float:
    """Seconds until the worker has decided, durably, over every command there is."""
    begun = time.perf_counter()
    goal = ends(kafka, COMMANDED.name)[0].high
    while (committed(kafka, group_reading(COMMANDED), COMMANDED.name)[0] or 0) < goal:
        time.sleep(0.05)
    return time.perf_counter() - begun


async def viewed(kafka: KafkaSettings, count: int) -> list[Row]:
    bare = statistics.median([await asyncio.to_thread(read, kafka) for _ in range(REPEATS)])
    boots: list[float] = []
    before, grown = psutil.Process().memory_info().rss, 0
    for _ in range(REPEATS):
        views = following(kafka, 0, (USERS, KEYS, WEBHOOKS, INVITATIONS, STREAMS), (), Codec())
        begun = time.perf_counter()
        await views.start()
        boots.append(time.perf_counter() - begun)
        grown = grown or psutil.Process().memory_info().rss - before
        await views.stop()
    boot = statistics.median(boots)
    held = len(views.of(User).entries)
    if held < count:
        raise SystemExit(f"the view has {held} of {count} users")
    return [
        Row("bare consumer of the same topic", bare, "s"),
        Row("boot of a view", boot, "s", "bare consumer", boot / bare),
        Row("memory of a view, an entity", grown / held / 1024, "KiB"),
        *paged(views),
    ]


def read(kafka: KafkaSettings) -> float:
    begun = time.perf_counter()
    sum(1 for _ in stretch(kafka, USERS.name, {0: 0}))
    return time.perf_counter() - begun


def paged(views: EntityViews) -> list[Row]:
    users = views.of(User).entries

    def first(where: Callable[[User], bool]) -> None:
        page_of(users.values(), number=1, size=20, where=where, sort=lambda user: user.username.casefold())

    sort = milliseconds(lambda: sorted(users.values(), key=lambda user: user.username.casefold()))
    every = milliseconds(lambda: first(lambda _: True))
    some = milliseconds(lambda: first(lambda user: "node_operator" in user.roles))
    return [
        Row("sorting all of them", sort, "ms"),
        Row("a page of all", every, "ms", "sorting all", every / sort),
        Row("a page of every tenth", some, "ms", "sorting all", some / sort),
    ]


def milliseconds(what: Callable[[], object]) -> float:
    took = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        what()
        took.append(time.perf_counter() - begun)
    return statistics.median(took) * 1000


if __name__ == "__main__":
    main()
