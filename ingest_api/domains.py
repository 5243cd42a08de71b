"""Every domain that the API serves, and what is derived from all of them. A new domain is one line here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ingest_api import health
from ingest_api.accounts.domain import DOMAIN as ACCOUNTS
from ingest_api.clustering.domain import DOMAIN as CLUSTERING
from ingest_api.domain import Domain
from ingest_api.envelopes import Envelope
from ingest_api.families import FAMILIES, FAMILY_LIMITS, PATH_LIMITS
from ingest_api.limits import Limit, Limits
from ingest_api.live.watch import Watch
from ingest_api.operations.domain import DOMAIN as OPERATIONS
from ingest_api.registry.problems import ENVELOPE as REGISTRY
from pipeline.errors import Broken

DOMAINS: tuple[Domain, ...] = (ACCOUNTS, CLUSTERING, OPERATIONS)
"""In the order in which they are opened: accounts first, since the others ask them for grants."""


def envelopes_of(domains: Sequence[Domain]) -> tuple[Envelope, ...]:
    """Error forms other than the standard one, by path. Raises Broken where two claim the same path."""
    every = (REGISTRY, *FAMILIES, *(each for domain in domains for each in domain.envelopes))
    _once("the paths", [prefix.rstrip("/") for each in every for prefix in each.prefixes])
    return every


def limits_of(domains: Sequence[Domain]) -> Limits:
    """Raises Broken where two domains limit the same path or family."""
    by_path = _joined("the path", (health.LIMITS, PATH_LIMITS, *(domain.limits for domain in domains)))
    by_family = _joined("the family", (FAMILY_LIMITS, *(domain.family_limits for domain in domains)))
    return Limits(by_path, by_family, envelopes_of(domains))


def watches_of(domains: Sequence[Domain]) -> tuple[Watch, ...]:
    """Topics that are told live. Raises Broken where two kinds have one name."""
    every = tuple(watch for domain in domains for watch in domain.watches)
    _once("the live kinds", [watch.kind for watch in every])
    return every


def _joined(what: str, tables: Iterable[Mapping[str, Limit]]) -> dict[str, Limit]:
    listed = [(name, limit) for table in tables for name, limit in table.items()]
    _once(f"limits of {what}", [name for name, _ in listed])
    return dict(listed)


def _once(what: str, names: Sequence[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise Broken(f"{what} {', '.join(twice)} belong to two domains")


ENVELOPES = envelopes_of(DOMAINS)
LIMITS = limits_of(DOMAINS)
WATCHES = watches_of(DOMAINS)
