"""What a run consists of: each part's command, what it waits for, and how it is known to be ready."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from pipeline.embedded import ports
from pipeline.embedded.kafka import broker, probe
from pipeline.embedded.kafka.properties import BrokerSettings
from pipeline.embedded.ports import Port
from pipeline.embedded.secrets import Secrets
from pipeline.embedded.settings import StackSettings
from pipeline.errors import Misconfigured
from pipeline.settings import Environment
from schemas.catalogue import INPUTS

LOOPBACK = "127.0.0.1"
LOGIN_SCHEME = "sasl_plaintext://"
"""How the URL of an embedded broker begins that wants a password."""
_READERS = frozenset({"warehouse", "tables", "archive", "api"})
SECRETS: Mapping[str, frozenset[str]] = {
    "THALWEG_JWT_SECRETS": frozenset({"api"}),
    "THALWEG_CURSOR_SECRETS": frozenset({"api"}),
    "THALWEG_API_KEYS": frozenset({"api"}),
    "THALWEG_ADMIN_PASSWORD": frozenset({"api"}),
    "THALWEG_DEV_PASSWORD": frozenset({"api"}),
    "THALWEG_ACCOUNT_SECRETS": frozenset({"api", "courier", "worker"}),
    "THALWEG_SMTP_URL": frozenset({"api", "courier"}),
    "THALWEG_KAFKA_PASSWORD": frozenset({"broker", "topics", "archive", "worker", "courier", "api"}),
    "THALWEG_CLICKHOUSE_URL": _READERS,
    "THALWEG_WAREHOUSE_PASSWORD": _READERS,
    "THALWEG_ANALYST_PASSWORD": frozenset({"warehouse"}),
}
"""Variables that hold a secret, or may, and the parts that need it (`worker` for every worker): no other gets it, nor
the name of the file that holds it."""


@dataclass(frozen=True)
class Part:
    """One process of a run.

    A part says that it serves by the line `THALWEG READY name url` on its standard output; `probe`, where there is
    one, is asked as well. A `one_shot` is ready when it has ended with status 0. Parts of a higher `tier` stop first,
    those of one tier together; `grace_s` is what each is given before it is killed, and over the tiers of a run it
    adds up to less than 15 s.
    """

    name: str
    command: Sequence[str]
    tier: int
    grace_s: float
    after: Sequence[str] = ()
    probe: Callable[[], bool] | None = None
    one_shot: bool = False
    url: str | None = None
    ports: Sequence[Port] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


def declare(settings: StackSettings) -> list[Part]:
    """The parts of a run, in the order in which they are told of. One that lives elsewhere is left out."""
    parts = [
        *([] if settings.kafka_bootstrap else [_broker(settings)]),
        *([] if settings.clickhouse_url else [_warehouse(settings)]),
        Part("topics", _ours("pipeline.cli", "topics", "create"), tier=1, grace_s=0.5, after=["broker"], one_shot=True),
        Part("tables", _ours("pipeline.warehouse", "migrate"), tier=1, grace_s=0.5, after=["warehouse"], one_shot=True),
        _archive(),
        *_workers(settings),
        _courier(),
        _api(settings),
    ]
    return _without_absent(parts)


def only(parts: Sequence[Part], names: Iterable[str]) -> list[Part]:
    """A part of the parts, by name; `worker` stands for every worker. Raises Misconfigured for an unknown name."""
    wanted = set(names)
    known = {part.name for part in parts} | {_family(part) for part in parts}
    if unknown := wanted - known:
        raise Misconfigured(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(sorted(known))}")
    return _without_absent([part for part in parts if part.name in wanted or _family(part) in wanted])


def environment(settings: StackSettings, secrets: Secrets, environ: Environment) -> dict[str, str]:
    """The environment of a run; `environment_of` is what each part gets of it.

    A secret that the operator has set stays; an external warehouse gets none.
    """
    made = {
        "THALWEG_JWT_SECRETS": f"k1:{secrets.jwt_secret}",
        "THALWEG_ACCOUNT_SECRETS": f"k1:{secrets.account_secret}",
        "THALWEG_DEV_PASSWORD": secrets.dev_password,
    }
    if settings.kafka_login and settings.kafka_bootstrap is None:
        made |= kafka_login(secrets)
    if settings.clickhouse_url is None:
        made |= {
            "THALWEG_WAREHOUSE_USER": "thalweg",
            "THALWEG_WAREHOUSE_PASSWORD": secrets.warehouse_password,
            "THALWEG_ANALYST_PASSWORD": secrets.analyst_password,
        }
    told = {
        "THALWEG_DATA_DIR": str(settings.data_dir),
        "THALWEG_KAFKA_BOOTSTRAP": settings.kafka_bootstrap or f"{LOOPBACK}:{settings.kafka_port}",
        "THALWEG_CLICKHOUSE_URL": settings.clickhouse_url or f"http://{LOOPBACK}:{settings.warehouse_port}",
        "THALWEG_API_HOST": settings.api_host,
        "THALWEG_API_PORT": str(settings.api_port),
        "TZ": "UTC",
        "PYTHONUNBUFFERED": "1",
    }
    wanted = {name: value for name, value in made.items() if not environ.get(f"{name}_FILE")}
    return {**wanted, **environ, **told}


def kafka_login(secrets: Secrets) -> dict[str, str]:
    """What lets a process in at an embedded broker with a password."""
    return {
        "THALWEG_KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
        "THALWEG_KAFKA_USERNAME": "thalweg",
        "THALWEG_KAFKA_PASSWORD": secrets.kafka_password,
    }


def environment_of(part: Part, environment: Mapping[str, str]) -> dict[str, str]:
    """What a part is started with: of the run's environment, all but the secrets of others."""
    family = _family(part)
    needed_by = {name: SECRETS.get(name.removesuffix("_FILE"), {family}) for name in environment}
    return {**{name: value for name, value in environment.items() if family in needed_by[name]}, **part.environment}


def _archive() -> Part:
    # A name of its own makes the membership static: after a crash it takes its partitions back at once.
    return Part(
        "archive",
        _ours("pipeline.warehouse.archive"),
        tier=2,
        grace_s=3.5,
        after=["topics", "tables"],
        environment={"THALWEG_ARCHIVE_INSTANCE": "archive-0"},
    )


def _courier() -> Part:
    # Static like the archive's, and for the same reason.
    return Part(
        "courier",
        _ours("pipeline.courier"),
        tier=2,
        grace_s=3.5,
        after=["topics"],
        environment={"THALWEG_COURIER_INSTANCE": "courier-0"},
    )


def _broker(settings: StackSettings) -> Part:
    own = BrokerSettings(
        settings.data_dir / "kafka", settings.kafka_port, settings.kafka_controller_port, settings.kafka_heap_mib
    )
    return Part(
        "broker",
        broker.command(own),
        tier=0,
        grace_s=3,
        probe=partial(probe.answers, own.host, own.port),
        url=f"{LOGIN_SCHEME}{own.bootstrap}" if settings.kafka_login else own.bootstrap,
        ports=[
            Port("broker", own.host, own.port, "--kafka-port", "THALWEG_KAFKA_PORT"),
            Port(
                "broker's controller",
                own.host,
                own.controller_port,
                "--kafka-controller-port",
                "THALWEG_KAFKA_CONTROLLER_PORT",
            ),
        ],
    )


def _warehouse(settings: StackSettings) -> Part:
    where = ("--data-dir", str(settings.data_dir / "warehouse"), "--host", LOOPBACK)
    return Part(
        "warehouse",
        _ours("pipeline.embedded.warehouse", *where, "--port", str(settings.warehouse_port)),
        tier=0,
        grace_s=3,
        ports=[Port("warehouse", LOOPBACK, settings.warehouse_port, "--warehouse-port", "THALWEG_WAREHOUSE_PORT")],
    )


def _workers(settings: StackSettings) -> list[Part]:
    """The domains are dealt to as many processes as there are cores for the workers of each."""
    processes = max(1, min(len(INPUTS), settings.cores // settings.workers))
    shares = [tuple(INPUTS)[first::processes] for first in range(processes)]
    each = [share for share in shares for _ in range(settings.workers)]
    return [_worker(ordinal, share) for ordinal, share in enumerate(each)]


def _worker(ordinal: int, domains: Sequence[str]) -> Part:
    command = _ours("topologies", "--ordinal", str(ordinal), "--domains", ",".join(domains))
    return Part(f"worker-{ordinal}", command, tier=2, grace_s=3.5, after=["topics"])


def _api(settings: StackSettings) -> Part:
    return Part(
        "api",
        _ours("ingest_api"),
        tier=3,
        # It lets the requests in flight end, and the workers that answer them are still there.
        grace_s=7.5,
        after=["topics"],
        probe=partial(ports.listens, settings.api_host, settings.api_port),
        url=f"http://{settings.api_host}:{settings.api_port}",
        ports=[Port("api", settings.api_host, settings.api_port, "--api-port", "THALWEG_API_PORT")],
    )


def _ours(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", module, *arguments]


def _family(part: Part) -> str:
    return part.name.partition("-")[0]


def _without_absent(parts: Sequence[Part]) -> list[Part]:
    """Nothing waits for a part that is not there: it is elsewhere, or left out on purpose."""
    there = {part.name for part in parts}
    return [replace(part, after=[name for name in part.after if name in there]) for part in parts]
