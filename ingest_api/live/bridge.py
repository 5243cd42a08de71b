"""The live bridge of one API process: the feed, the hub it publishes to, and the way back into the past."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import HTTPConnection

from ingest_api.grants import Grants
from ingest_api.live.backlog import Bounds, Policy
from ingest_api.live.cursor import Cursors
from ingest_api.live.feed import Feed
from ingest_api.live.hub import Hub
from ingest_api.live.layout import Layout
from ingest_api.live.replay import Replays
from ingest_api.live.settings import LiveSettings
from ingest_api.live.subscriber import Subscriber
from ingest_api.live.subscription import Interests
from ingest_api.live.watch import Watch
from ingest_api.principal import Principal
from ingest_api.problems import Busy
from ingest_api.wiring import context_of
from pipeline.clock import Clock, now
from pipeline.kafka.view import View
from pipeline.settings import KafkaSettings
from schemas.codec import Codec

log = logging.getLogger("thalweg.live")
_DRAIN = 2.0
_CATCH_UP = 2.0


class Live:
    """Start it before the first request and stop it after the last; `drain` it when the server is to go.

    `views` hold the present state of a kind, for snapshots: kind -> View. Made inside the loop it runs in.
    """

    name = "live"

    def __init__(
        self,
        settings: LiveSettings,
        kafka: KafkaSettings,
        watches: Sequence[Watch],
        codec: Codec,
        grants: Grants,
        *,
        views: Mapping[str, View[Any]] | None = None,
        clock: Clock = now,
        client_id: str = "thalweg-live",
    ) -> None:
        self.settings, self.watches, self.views, self.clock = settings, tuple(watches), dict(views or {}), clock
        layout = Layout({watch.topic.name: watch.topic.partitions or kafka.partitions for watch in watches})
        self.cursors = Cursors(settings.cursor_keys, layout)
        self.grants = grants
        self.hub = Hub(settings.max_subscribers, settings.max_per_principal, settings.heartbeat, grants)
        self.feed = Feed(kafka, client_id, self.watches, codec, self.cursors, self.hub, clock)
        self.replays = Replays(
            kafka,
            self.watches,
            codec,
            self.cursors,
            self.feed,
            self.hub,
            clock,
            grants,
            most=settings.replays,
            limit=settings.replay_limit,
        )
        self._ticking: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Returns once a record produced from now on will be told. Raises LogUnavailable."""
        await self.feed.start()
        self.grants.watch(self.hub.rename)
        self._ticking = asyncio.create_task(self._tick(), name="live-tick")

    async def stop(self) -> None:
        await self.drain()
        if self._ticking is not None:
            self._ticking.cancel()
            await asyncio.gather(self._ticking, return_exceptions=True)
        await self.feed.stop()
        self.replays.close()

    async def drain(self, grace: float = _DRAIN) -> None:
        """Tells every subscriber to go and when to come back, and waits a little until they are gone."""
        left = await self.hub.drain(grace)
        if left:
            log.warning("live: %d subscribers did not take their leave within %g s", left, grace)

    def subscriber(self, principal: Principal, interests: Interests, policy: Policy) -> Subscriber:
        """A new one, admitted: whoever asks must let it leave. Streams are named as the principal does. Raises Busy."""
        if not self.feed.ready:
            raise Busy("The live feed is not open yet", 1.0)
        settings = self.settings
        bounds = Bounds(settings.queue_messages, settings.queue_bytes)
        party = self.grants.party(principal)
        subscriber = Subscriber(principal.account, self.meant(principal, interests), policy, bounds, party)
        self.hub.admit(subscriber)
        subscriber.heard = asyncio.get_running_loop().time()
        subscriber.told = self.feed.records
        return subscriber

    def meant(self, principal: Principal, interests: Interests) -> Interests:
        """The same by the streams' keys."""
        return frozenset(
            (kind, None if name is None else self.grants.key_of(principal, name)) for kind, name in interests
        )

    def regard(self, subscriber: Subscriber, principal: Principal) -> None:
        """The principal as of now, who may be less than before."""
        party = self.grants.party(principal)
        if party != subscriber.party:
            self.hub.change(subscriber, subscriber.interests, party)

    async def caught_up(self, watch: Watch) -> None:
        """Waits until the kind's view holds at least what the feed has told, so that a snapshot never trails it."""
        view = self.views[watch.kind]
        told = self.feed.decoder.latest(watch.topic.name)

        def held(entries: Mapping[str, Any]) -> bool:
            return all(stream not in entries or watch.source(entries[stream]) >= at for stream, at in told.items())

        if not await view.until(held, _CATCH_UP):
            log.warning("live: the view of %s trails the feed by more than %g s", watch.kind, _CATCH_UP)

    async def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        interval = min(1.0, self.settings.heartbeat / 4)
        while True:
            await asyncio.sleep(interval)
            self.hub.tick(loop.time(), self.feed.records)


def live_of(connection: HTTPConnection) -> Live:
    """The bridge of the application that serves this connection. Raises Busy where it has none."""
    return context_of(connection, Live, "live feed")
