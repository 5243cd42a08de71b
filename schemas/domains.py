"""The domains there are. Whatever lists topics, permissions, events or schemas is derived from here."""

from __future__ import annotations

from schemas.accounts.domain import DOMAIN as ACCOUNTS
from schemas.anomaly.domain import DOMAIN as ANOMALY
from schemas.clustering.domain import DOMAIN as CLUSTERING
from schemas.domain import Domain
from schemas.networks.domain import DOMAIN as NETWORKS
from schemas.operations.domain import DOMAIN as OPERATIONS
from schemas.tasks.domain import DOMAIN as TASKS

DOMAINS: tuple[Domain, ...] = (CLUSTERING, ACCOUNTS, OPERATIONS, ANOMALY, TASKS, NETWORKS)
