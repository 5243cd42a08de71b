"""From one feed to many subscribers: publishing costs what its listeners cost, and never waits for any."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence

from ingest_api.grants import Grants, reads
from ingest_api.live.message import Frame, Outgoing
from ingest_api.live.run import Run
from ingest_api.live.subscriber import SHUTDOWN, Subscriber
from ingest_api.live.subscription import Interest, Interests
from ingest_api.problems import Busy
from schemas.grants import Party

_RECORDS_UNTOLD = 50_000


class Audience:
    """All who listen with the same interests for the same party: what one of them may be told, all may."""

    __slots__ = ("interests", "members", "party")

    def __init__(self, interests: Interests, party: Party) -> None:
        self.interests, self.party = interests, party
        self.members: dict[Subscriber, None] = {}


class Hub:
    """Subscribers by what they are interested in. All of it runs in one loop, so nothing here is locked. None is told
    of a stream that `grants` do not let it read at that moment."""

    def __init__(self, max_subscribers: int, max_per_owner: int, heartbeat: float, grants: Grants) -> None:
        self._max, self._max_each, self._heartbeat = max_subscribers, max_per_owner, heartbeat
        self._grants = grants
        self._admitted: dict[Subscriber, None] = {}
        self._owners: Counter[str] = Counter()
        self._audiences: dict[tuple[Interests, Party], Audience] = {}
        self._listening: dict[Interest, dict[Audience, None]] = {}
        self._empty = asyncio.Event()
        self._empty.set()
        self.draining = False
        self.published = self.offered = 0
        self.refused = self.dropped = self.conflated = self.sent_away = 0

    def __len__(self) -> int:
        return len(self._admitted)

    def admit(self, subscriber: Subscriber) -> None:
        """Counts a connection; it hears nothing before `listen`. Raises Busy at the bounds."""
        if self.draining:
            raise Busy("The server is shutting down; connect again", 1.0)
        if len(self._admitted) >= self._max:
            self.refused += 1
            raise Busy(f"All {self._max} live connections of this server are taken", 5.0)
        if self._owners[subscriber.owner] >= self._max_each:
            self.refused += 1
            raise Busy(f"You hold {self._max_each} live connections already, which is the most one may", 5.0)
        self._admitted[subscriber] = None
        self._owners[subscriber.owner] += 1
        self._empty.clear()

    def listen(self, subscriber: Subscriber) -> None:
        """From the next published frame on, it gets what it is interested in."""
        subscriber.listening = True
        wanted = subscriber.interests, subscriber.party
        audience = self._audiences.get(wanted)
        if audience is None:
            audience = self._audiences[wanted] = Audience(*wanted)
            for interest in audience.interests:
                self._listening.setdefault(interest, {})[audience] = None
        audience.members[subscriber] = None

    def change(self, subscriber: Subscriber, interests: Interests, party: Party | None = None) -> None:
        """Other interests, for another party perhaps, from the next published frame on, or from the end of its
        replay."""
        self._unlisten(subscriber)
        subscriber.interests = interests
        subscriber.party = subscriber.party if party is None else party
        if subscriber.listening:
            self.listen(subscriber)

    def rename(self, owner: str, name: str, key: str) -> None:
        """The owner's stream of that name has a key of its own: whoever waits for it by its name is told of it."""
        for subscriber in list(self._admitted):
            held = subscriber.interests
            if subscriber.party.owner == owner and any(stream == name for _, stream in held):
                self.change(subscriber, frozenset((kind, key if it == name else it) for kind, it in held))

    def leave(self, subscriber: Subscriber) -> None:
        """May be called twice."""
        if subscriber not in self._admitted:
            return
        self._unlisten(subscriber)
        del self._admitted[subscriber]
        self._owners[subscriber.owner] -= 1
        if not self._owners[subscriber.owner]:
            del self._owners[subscriber.owner]
        self.dropped += subscriber.backlog.dropped
        self.conflated += subscriber.backlog.conflated
        self.sent_away += subscriber.ending is not None and subscriber.ending is not SHUTDOWN
        if not self._admitted:
            self._empty.set()

    def publish(self, frames: Sequence[Frame], now: float) -> None:
        """Tells the frames to whom they concern, at `now` in the loop's time. None is waited for, and each is woken
        once at most."""
        concerned: dict[Audience, list[Frame]] = {}
        for frame in frames:
            for audience in self._concerned(frame):
                concerned.setdefault(audience, []).append(frame)
        runs: dict[tuple[int, ...], Run] = {}
        for audience, its in concerned.items():
            same = tuple(map(id, its))
            run = runs.get(same) or runs.setdefault(same, Run(its))
            for subscriber in audience.members:
                subscriber.tell(run, now)
            self.offered += len(its) * len(audience.members)
        self.published += len(frames)

    def announce(self, kind: str, notice: Outgoing) -> None:
        """Tells everyone who listens to a kind, whatever the stream."""
        for subscriber in self._admitted:
            if any(kind == each for each, _ in subscriber.interests):
                subscriber.notices.append(notice)
                subscriber.wake()

    def tick(self, now: float, records: int) -> None:
        """Marks a heartbeat for whoever has been silent for too long, or does not know how far the log has come."""
        for subscriber in self._admitted:
            if now - subscriber.heard >= self._heartbeat or records - subscriber.told >= _RECORDS_UNTOLD:
                subscriber.beat = True
                subscriber.wake()

    async def drain(self, grace: float) -> int:
        """Sends everybody away and waits up to `grace` seconds. Returns how many are left."""
        self.draining = True
        for subscriber in self._admitted:
            subscriber.end(SHUTDOWN)
        try:
            async with asyncio.timeout(grace):
                await self._empty.wait()
        except TimeoutError:
            pass
        return len(self._admitted)

    def _concerned(self, frame: Frame) -> Iterable[Audience]:
        kind, stream = frame.kind, frame.message.stream
        of_all = self._listening.get((kind, None))
        of_one = self._listening.get((kind, stream))
        for audience in (*(of_all or ()), *(of_one or ())):
            if reads(self._grants, audience.party, stream):
                yield audience

    def _unlisten(self, subscriber: Subscriber) -> None:
        wanted = subscriber.interests, subscriber.party
        audience = self._audiences.get(wanted)
        if audience is None:
            return
        audience.members.pop(subscriber, None)
        if audience.members:
            return
        del self._audiences[wanted]
        for interest in audience.interests:
            del self._listening[interest][audience]
            if not self._listening[interest]:
                del self._listening[interest]
