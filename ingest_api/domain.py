"""A domain as the API sees it: one value that says all that the API serves of it.

A domain fills it in `ingest_api/<domain>/domain.py`; `ingest_api/domains.py` lists all of them. Routers, error forms,
rate limits, live kinds, WebSockets and the parts of a serving process are derived from that list.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter

from ingest_api.entities.orders import LogOrders
from ingest_api.entities.views import EntityViews
from ingest_api.envelopes import Envelope
from ingest_api.gate import Gate
from ingest_api.grants import Births, Grants
from ingest_api.limits import Limit
from ingest_api.live.watch import Watch
from ingest_api.principal import Accounts
from ingest_api.probes import Probes
from ingest_api.replies import Replies
from ingest_api.requests import Observe
from ingest_api.results import Results
from ingest_api.settings import ApiSettings
from ingest_api.wiring import Part, Wiring
from pipeline.clock import Clock
from pipeline.errors import Broken
from pipeline.forgeries import Forgeries
from pipeline.kafka.view import Shelf, View
from pipeline.settings import Environment, KafkaSettings
from pipeline.warehouse.reader import Reader
from schemas.codec import Codec
from schemas.topic import Topic


@dataclass
class Shared:
    """What every domain's context is opened from. `settings` are the domain's own (`Domain.settings`); `births` gathers
    when the state behind a stream's name began; `accounts` and `grants` are those of the domain opened before that has
    them."""

    api: ApiSettings
    kafka: KafkaSettings
    gate: Gate
    replies: Replies
    views: EntityViews
    reader: Reader
    codec: Codec
    clock: Clock
    forgeries: Forgeries
    settings: Any = None
    births: Births = field(default_factory=Births)
    accounts: Accounts | None = None
    grants: Grants | None = None

    def commands(self, topic: Topic) -> LogOrders:
        """A client for the commands of a topic."""
        return LogOrders(self.gate, topic, self.views, self.codec, self.clock)

    def granted(self) -> Grants:
        """Raises Broken where no domain before this one brings grants."""
        if self.grants is None:
            raise Broken("the domain that keeps the grants must be opened first: see ingest_api.domains")
        return self.grants


@dataclass(frozen=True)
class Opened:
    """What a domain adds to a serving process.

    `readers` start before the gate and the contexts, behind the views of entities. `contexts` are what its routes find
    by type (`wiring.context_of`). `views` hold the present state of its live kinds, for snapshots: kind -> View.
    """

    readers: tuple[Part, ...] = ()
    contexts: tuple[Part, ...] = ()
    views: Mapping[str, View[Any]] = field(default_factory=dict)
    results: Results | None = None
    accounts: Accounts | None = None
    grants: Grants | None = None
    probes: Probes | None = None
    notes: Callable[[], Sequence[str]] | None = None


def opens_nothing(shared: Shared) -> Opened:
    """Of a domain whose routes need nothing."""
    return Opened()


@dataclass(frozen=True)
class Domain:
    """One domain of the API.

    - `router`: its HTTP routes.
    - `open`: makes its context; nothing is connected before the parts are started.
    - `settings`: reads what it needs of the environment beside ApiSettings. Raises Misconfigured.
    - `envelopes`: its error forms, with the paths they hold for.
    - `limits`: requests that one caller may make, by route path; `family_limits` by the name of an envelope.
    - `watches`: topics that are told live.
    - `entities`: topics of entities, and `shelves` further compacted topics, that every API process keeps whole.
    - `observer`: who hears of every request's outcome.
    """

    name: str
    router: APIRouter = field(default_factory=APIRouter)
    open: Callable[[Shared], Opened] = opens_nothing
    settings: Callable[[Environment, ApiSettings], Any] | None = None
    envelopes: tuple[Envelope, ...] = ()
    limits: Mapping[str, Limit] = field(default_factory=dict)
    family_limits: Mapping[str, Limit] = field(default_factory=dict)
    watches: tuple[Watch, ...] = ()
    entities: tuple[Topic, ...] = ()
    shelves: Callable[[Codec], Sequence[Shelf[Any]]] = lambda codec: ()
    observer: Callable[[Wiring], Observe | None] = lambda wiring: None
