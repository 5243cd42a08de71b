"""One courier works, the others stand by: who holds the one partition of the deliveries, by the word of the group."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

from pipeline.courier.settings import CourierSettings
from pipeline.errors import Failure
from pipeline.kafka.member import Member, Place
from pipeline.settings import KafkaSettings
from schemas.topic import Topic


class Leadership:
    """`gained` and `lost` are the opposite of each other. One who stood still for longer than a session learns that it
    has lost only after it has gone on for a moment: what it then writes is older than what is there, and is passed over
    by whoever reads (`books.advance`)."""

    def __init__(self, kafka: KafkaSettings, settings: CourierSettings, topic: Topic) -> None:
        self._kafka, self._settings, self._topic = kafka, settings, topic
        self._loop = asyncio.get_running_loop()
        self._stop = threading.Event()
        self.joined = threading.Event()
        self._thread = threading.Thread(target=self._attend, name="leadership", daemon=True)
        self.gained, self.lost = asyncio.Event(), asyncio.Event()
        self.lost.set()
        self.ended: asyncio.Future[None] = self._loop.create_future()
        """Has an exception once the group can be attended no more."""

    def start(self) -> None:
        self._thread.start()

    async def stop(self) -> None:
        self._stop.set()
        await asyncio.to_thread(self._thread.join)

    def _attend(self) -> None:
        try:
            member = Member(
                self._kafka,
                self._settings.group,
                [self._topic.name],
                assigned=lambda places: self._tell(places, True),
                revoked=lambda places: self._tell(places, False),
                instance=self._settings.instance,
                session_ms=self._settings.session_ms,
            )
            try:
                while not self._stop.is_set():
                    member.read(0.1, 10)  # gives nothing: the partition is never begun
                    if not self.joined.is_set() and member.joined:
                        self.joined.set()
            finally:
                member.close()
        except Failure as failure:
            self._loop.call_soon_threadsafe(self._end, failure)

    def _tell(self, places: Sequence[Place], held: bool) -> None:
        if places:
            self._loop.call_soon_threadsafe(self._turn, held)

    def _turn(self, held: bool) -> None:
        for event in (self.gained, self.lost):
            event.clear()
        (self.gained if held else self.lost).set()

    def _end(self, failure: Failure) -> None:
        self._turn(False)
        if not self.ended.done():
            self.ended.set_exception(failure)
            self.ended.exception()  # whoever does not ask has ended for another reason
