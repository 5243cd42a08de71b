"""What an operator may set of the live bridge."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field

from pipeline.settings import Environment, between, secret, setting

_DEVELOPMENT = "a cursor says where a reader stands and opens nothing; on one machine any key will do"


@dataclass(frozen=True)
class LiveSettings:
    """Each field names its variable; the default holds where it is unset.

    - `cursor_keys` (THALWEG_CURSOR_SECRETS, else those of the access tokens): secrets, commas between, each at least
      32 characters. The first signs cursors, all are accepted. All replicas need the same.
    - `origins` (THALWEG_LIVE_ORIGINS, else THALWEG_CORS_ORIGINS): web origins whose pages may open WebSockets here;
      pages of this very server always may, and clients that are no browsers send no origin.
    - `max_subscribers` (THALWEG_LIVE_SUBSCRIBERS, 2000) in all, `max_per_principal`
      (THALWEG_LIVE_SUBSCRIBERS_EACH, 1000) of one caller.
    - `queue_messages` (THALWEG_LIVE_QUEUE, 1000), `queue_bytes` (THALWEG_LIVE_QUEUE_BYTES, 1048576): what may wait
      for one subscriber before its policy acts.
    - `heartbeat` (THALWEG_LIVE_HEARTBEAT, 15): seconds of silence after which one is sent.
    - `write_deadline` (THALWEG_LIVE_WRITE_DEADLINE, 10): seconds a subscriber may take to accept what is written.
    - `recheck` (THALWEG_LIVE_RECHECK, 15): seconds between two looks at whether a credential still holds.
    - `replays` (THALWEG_LIVE_REPLAYS, 8): readers of the past at one time; `replay_limit`
      (THALWEG_LIVE_REPLAY_LIMIT, 100000): records one may read again, what is older is reported as a gap.
    - `max_message_bytes` (THALWEG_WS_MESSAGE_BYTES, 1048576) and `messages_per_second` (THALWEG_WS_RATE, 2000) of a
      WebSocket client; what comes faster is read later.
    - `idle` (THALWEG_WS_IDLE, 300): seconds after which a WebSocket that neither subscribes nor sends is closed.
    """

    cursor_keys: tuple[bytes, ...] = field(repr=False)
    origins: tuple[str, ...] = ()
    max_subscribers: int = 2000
    max_per_principal: int = 1000
    queue_messages: int = 1000
    queue_bytes: int = 1024 * 1024
    heartbeat: float = 15.0
    write_deadline: float = 10.0
    recheck: float = 15.0
    replays: int = 8
    replay_limit: int = 100_000
    max_message_bytes: int = 1024 * 1024
    messages_per_second: int = 2000
    idle: float = 300.0

    @classmethod
    def from_environment(
        cls, environ: Environment, *, secrets: Sequence[str] = (), origins: Sequence[str] = ()
    ) -> LiveSettings:
        """`secrets` and `origins` are those of the API. Raises Misconfigured."""
        given = secret(environ, "THALWEG_CURSOR_SECRETS", tuple(secrets) or (_DEVELOPMENT,), _secrets)
        return cls(
            cursor_keys=cursor_keys(given),
            origins=setting(environ, "THALWEG_LIVE_ORIGINS", tuple(origins), _listed),
            max_subscribers=setting(environ, "THALWEG_LIVE_SUBSCRIBERS", cls.max_subscribers, between(1, 1_000_000)),
            max_per_principal=setting(
                environ, "THALWEG_LIVE_SUBSCRIBERS_EACH", cls.max_per_principal, between(1, 1_000_000)
            ),
            queue_messages=setting(environ, "THALWEG_LIVE_QUEUE", cls.queue_messages, between(1, 1_000_000)),
            queue_bytes=setting(environ, "THALWEG_LIVE_QUEUE_BYTES", cls.queue_bytes, between(1024, 1 << 30)),
            heartbeat=setting(environ, "THALWEG_LIVE_HEARTBEAT", cls.heartbeat, between(1, 3600)),
            write_deadline=setting(environ, "THALWEG_LIVE_WRITE_DEADLINE", cls.write_deadline, between(1, 600)),
            recheck=setting(environ, "THALWEG_LIVE_RECHECK", cls.recheck, between(1, 3600)),
            replays=setting(environ, "THALWEG_LIVE_REPLAYS", cls.replays, between(1, 100)),
            replay_limit=setting(environ, "THALWEG_LIVE_REPLAY_LIMIT", cls.replay_limit, between(1, 100_000_000)),
            max_message_bytes=setting(
                environ, "THALWEG_WS_MESSAGE_BYTES", cls.max_message_bytes, between(1024, 16 * 1024 * 1024)
            ),
            messages_per_second=setting(environ, "THALWEG_WS_RATE", cls.messages_per_second, between(1, 1_000_000)),
            idle=setting(environ, "THALWEG_WS_IDLE", cls.idle, between(1, 86_400)),
        )


def cursor_keys(secrets: Sequence[str]) -> tuple[bytes, ...]:
    """Keys of their own, so that a cursor's signature says nothing about the token secrets it may come from."""
    return tuple(hmac.digest(secret.encode(), b"thalweg live cursor", hashlib.sha256) for secret in secrets)


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _secrets(text: str) -> tuple[str, ...]:
    listed = _listed(text)
    if any(len(each) < 32 for each in listed):
        raise ValueError("each secret has at least 32 characters (openssl rand -hex 32)")
    return listed
