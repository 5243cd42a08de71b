"""Every kind of entity of the street: one line each."""

from __future__ import annotations

from pipeline.accounts.invitations import INVITATIONS
from pipeline.accounts.keys import KEYS
from pipeline.accounts.streams import STREAMS
from pipeline.accounts.users import USERS
from pipeline.accounts.webhooks import WEBHOOKS
from pipeline.entities.decide import by_kind

DECIDERS = by_kind(USERS, KEYS, WEBHOOKS, INVITATIONS, STREAMS)
