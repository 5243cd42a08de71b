"""The whole system on a broker that encrypts, lets in by name and password, and allows each part what it needs."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialAlteration,
    UserScramCredentialUpsertion,
)

from ingest_api.accounts.keys import make
from pipeline.clock import now
from pipeline.embedded.kafka.broker import BrokerProcess
from pipeline.errors import LogUnavailable
from pipeline.kafka.acls import PARTS, grants
from pipeline.kafka.arrival import await_broker
from pipeline.kafka.connection import connection
from pipeline.kafka.producer import Producer
from pipeline.kafka.provision import existing, provision
from pipeline.settings import KafkaSecurity, KafkaSettings
from schemas.accounts.topics import COMMANDED, USERS
from schemas.accounts.users import User
from schemas.clustering.topics import OBSERVED
from schemas.codec import Codec
from schemas.entity import Commanded
from tests.doubles.certificates import made
from tests.flow.child import ACCOUNT_SECRETS, Child, api, archive, courier, worker
from tests.flow.load import lag, load
from tests.flow.stack import ADMIN_PASSWORD, JWT_SECRETS, Stack, until
from tests.pipeline.warehouse.databases import migrated_database
from tests.ports import free_ports

pytestmark = [pytest.mark.flow, pytest.mark.timeout(400)]

PASSWORD = "the password of {}"


def mechanism_of(user: str) -> str:
    return "SCRAM-SHA-256" if user == "api" else "SCRAM-SHA-512"


@dataclass(frozen=True)
class Secured:
    """`owner` may do everything; each part is a user of its own name, and so is `stranger`, who may nothing."""

    owner: KafkaSettings

    def of(self, user: str) -> KafkaSettings:
        own = replace(
            self.owner.security,
            mechanism=mechanism_of(user),
            username=user,
            password=PASSWORD.format(user),
        )
        return replace(self.owner, security=own)

    def told(self, user: str) -> dict[str, str]:
        security = self.of(user).security
        return {
            "THALWEG_KAFKA_BOOTSTRAP": self.owner.bootstrap,
            "THALWEG_KAFKA_SECURITY_PROTOCOL": security.protocol,
            "THALWEG_KAFKA_SASL_MECHANISM": security.mechanism,
            "THALWEG_KAFKA_USERNAME": security.username,
            "THALWEG_KAFKA_PASSWORD": security.password,
            "THALWEG_KAFKA_CA_FILE": security.ca_file or "",
        }


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    folder = tmp_path_factory.mktemp("secured")
    pem = made("broker", folder)
    owner = KafkaSecurity("SASL_SSL", "PLAIN", "owner", 'a "password" \\ of its owner', ca_file=str(pem))
    port, controller_port = free_ports(2)
    with BrokerProcess(folder / "kafka", port, controller_port, security=owner, pem=pem) as broker:
        settings = KafkaSettings(broker.bootstrap, security=owner)
        await_broker(settings)
        provision(settings)
        _let_in(settings)
        yield Secured(settings)


def _let_in(settings: KafkaSettings) -> None:
    """As an operator would, by what `thalweg topics acls` prints."""
    admin = AdminClient(connection(settings))
    users: list[UserScramCredentialAlteration] = [
        UserScramCredentialUpsertion(
            user,
            ScramCredentialInfo(getattr(ScramMechanism, mechanism_of(user).replace("-", "_")), 4096),
            PASSWORD.format(user).encode(),
        )
        for user in (*PARTS, "stranger")
    ]
    for done in admin.alter_user_scram_credentials(users).values():
        done.result(30)
    bindings = [
        AclBinding(
            ResourceType.BROKER if grant.resource == "cluster" else getattr(ResourceType, grant.resource.upper()),
            grant.name,
            ResourcePatternType.PREFIXED if grant.prefixed else ResourcePatternType.LITERAL,
            f"User:{part}",
            "*",
            getattr(AclOperation, grant.operation.upper()),
            AclPermissionType.ALLOW,
        )
        for part in PARTS
        for grant in grants(part)
    ]
    for allowed in admin.create_acls(bindings).values():
        allowed.result(30)


async def test_every_part_does_its_work_with_what_it_is_allowed_and_no_more(
    secured: Secured, warehouse_url: str, tmp_path: Path
) -> None:
    key, form = make("writer", ["read", "write"])
    with migrated_database(warehouse_url) as tables, contextlib.ExitStack() as running:
        [port] = free_ports(1)
        told = {
            "THALWEG_CLICKHOUSE_URL": f"{warehouse_url}/{tables.database}",
            "THALWEG_ADMIN_PASSWORD": ADMIN_PASSWORD,
            "THALWEG_JWT_SECRETS": JWT_SECRETS,
            "THALWEG_ACCOUNT_SECRETS": ACCOUNT_SECRETS,
            "THALWEG_API_KEYS": str(form),
            "THALWEG_WORKER_STATIC": "false",
        }
        parts: dict[str, Child] = {
            "worker": worker(70, told | secured.told("worker"), tmp_path),
            "archive": archive(told | secured.told("archive"), tmp_path),
            "courier": courier(told | secured.told("courier"), tmp_path),
            "api": api(told | secured.told("api"), tmp_path, port),
        }
        for part in parts.values():
            part.launch()
            running.callback(part.stop)
        for part in parts.values():
            part.await_ready(180)
        stack = Stack(secured.owner, tables, parts["worker"], parts["archive"], parts["api"], {"writer": key}, told)
        stream = stack.stream()
        async with stack.client() as http:
            body = {"stream": stream, "points": [[1, 2], [1.1, 2.1], [8, 8]]}
            assert (await http.post("/api/v1/process_points", json=body)).json()["total_points"] == 3
        async with stack.client("admin") as http:
            assert (await http.get("/auth/me")).json()["username"] == "admin"
            assert (await http.get("/health")).json()["status"] == "healthy"
        assert len(await stack.rows(stream, 3)) == 3
        await load(secured.of("producer"), stream, seed=1, batches=20, pace=20)
        deadline = time.monotonic() + 60
        while lag(secured.of("operator")):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.2)
        await _forge(secured.owner)
        async with stack.client() as http:
            await until(lambda: _warned(http))
        for name in ("worker", "api", "courier"):
            assert "FORGED" in parts[name].tail(200_000), name
        for name, part in parts.items():
            denied = [line for line in part.tail(200_000).splitlines() if "uthoriz" in line]
            assert not denied, name
            assert PASSWORD.format(name) not in part.tail(1_000_000)


async def _forge(settings: KafkaSettings) -> None:
    """By somebody whom the broker lets write anything: a user who may do anything, and a command that makes one."""
    user = User("u666", 1, 0, 1, 1, 666, "mallory", None, roles=["admin"])
    arguments = '{"username": "mallory", "roles": ["admin"]}'
    command = Commanded(User.KIND, user.id, "register", arguments, None, "system:api", None, now())
    producer = Producer(settings, "test", timeout=20)
    await producer.send(USERS.name, Codec().encode(user), key=user.id.encode())
    await producer.send(COMMANDED.name, Codec().encode(command), key=user.id.encode())
    await producer.close(5)


async def _warned(http: httpx.AsyncClient) -> bool:
    """Of one record that the worker met, one that the API and one that the courier met."""
    told = (await http.get("/health")).json()
    return bool(told["components"]["log"] == "degraded" and told["notes"][0].startswith("3 records"))


async def _write(settings: KafkaSettings, topic: str) -> None:
    producer = Producer(settings, "test", timeout=20)
    try:
        await producer.send(topic, b"x", key=b"k", partition=0)
    finally:
        await producer.close(1)


@pytest.mark.parametrize(
    ("user", "topic"), [("stranger", OBSERVED.name), ("producer", COMMANDED.name), ("courier", "accounts.user.v1")]
)
async def test_nobody_writes_what_is_not_granted(secured: Secured, user: str, topic: str) -> None:
    with pytest.raises(LogUnavailable, match=r"authoriz|Authoriz"):
        await _write(secured.of(user), topic)


def test_a_stranger_sees_no_topic(secured: Secured) -> None:
    assert existing(secured.of("stranger")) == []


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"password": "guessed"}, "does not let 'owner' in: see THALWEG_KAFKA_USERNAME, THALWEG_KAFKA_PASSWORD"),
        ({"ca_file": None}, "TLS with Kafka at .* fails: see .*THALWEG_KAFKA_CA_FILE"),
        (
            {"protocol": "PLAINTEXT", "username": "", "password": "", "ca_file": None},
            r"by PLAINTEXT \(THALWEG_KAFKA_SECURITY_PROTOCOL\)",
        ),
    ],
    ids=["password", "authority", "protocol"],
)
def test_who_cannot_come_in_is_told_which_setting_to_look_at(
    secured: Secured, wrong: dict[str, str | None], said: str
) -> None:
    settings = replace(secured.owner, security=replace(secured.owner.security, **wrong))  # type: ignore[arg-type]
    with pytest.raises(LogUnavailable, match=said) as refused:
        existing(settings, 5)
    assert "guessed" not in str(refused.value)
    assert 'a "password"' not in repr(settings)
