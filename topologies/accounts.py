"""The accounts domain: accounts.commanded.v1 through its deciders to users, keys and webhooks."""

from __future__ import annotations

import faust

from pipeline.accounts.audit import AUDIT
from pipeline.accounts.deciders import DECIDERS
from schemas.accounts.topics import COMMANDED
from topologies.decide import attach_commands
from topologies.domain import Domain
from topologies.site import Site


def attach(app: faust.App, site: Site) -> None:
    attach_commands(app, site, COMMANDED, DECIDERS, AUDIT)


DOMAIN = Domain("accounts", attach)
