"""The topics of the accounts domain."""

from __future__ import annotations

from datetime import timedelta

from schemas.accounts.invitations import Invitation
from schemas.accounts.keys import Key
from schemas.accounts.streams import Stream
from schemas.accounts.traces import ActionAudited, MailRequested
from schemas.accounts.users import User
from schemas.accounts.webhooks import Delivery, Webhook
from schemas.entity import Commanded
from schemas.topic import Reader, Topic, Writer, entities

COMMANDED = Topic(
    "accounts.commanded.v1",
    Commanded,
    "the entity's id",
    Writer.DOOR | Writer.COURIER,
    timedelta(days=28),
    partitions=1,
    dead_letters=True,
    stateful=True,
    signed=True,
)
USERS = entities("accounts.user.v1", User, Reader.COURIER)
KEYS = entities("accounts.key.v1", Key, Reader.COURIER)
WEBHOOKS = entities("accounts.webhook.v1", Webhook, Reader.COURIER)
INVITATIONS = entities("accounts.invitation.v1", Invitation, Reader.COURIER)
STREAMS = entities("accounts.stream.v1", Stream, Reader.COURIER)

_SENDERS = Writer.DOOR | Writer.COURIER
DELIVERIES = Topic(
    *("accounts.delivery.v1", Delivery, "id", _SENDERS, timedelta(hours=1)),
    compacted=True,
    partitions=1,
    signed=True,
    readers=Reader.COURIER,
)
MAIL = Topic(
    *("mail.requested.v1", MailRequested, "user", _SENDERS | Writer.WORKERS, timedelta(days=7)),
    partitions=1,
    signed=True,
    readers=Reader.COURIER,
)
AUDITED = Topic(
    "actions.audited.v1", ActionAudited, "actor", Writer.WORKERS | Writer.DOOR, timedelta(days=30), archived=True
)

TOPICS = (COMMANDED, USERS, KEYS, WEBHOOKS, INVITATIONS, STREAMS, DELIVERIES, MAIL, AUDITED)
