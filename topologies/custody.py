"""What was taken from Kafka's client and has not been handed on.

aiokafka forgets a record when it gives it. Faust drops what it was given while a rebalance is under way, and when it
cancels a fetch the client's own thread goes on with it, gives, and nobody is there to take. A changelog's records
dropped like that were not asked for again: recovery waited for them for ever, or took later ones for all there was.
"""

from __future__ import annotations

from collections.abc import Collection

from faust.types import TP


class Custody:
    """Written by the client's thread (`took`) and by the worker's (all else); each call is one step of a dict's."""

    def __init__(self) -> None:
        self._held: dict[int, set[TP]] = {}
        self._fetches = 0

    def fetch(self) -> int:
        """A fetch begins; its number."""
        self._fetches += 1
        return self._fetches

    def took(self, fetch: int, places: Collection[TP]) -> None:
        """The fetch has got records of these partitions, whether or not anybody still waits for them."""
        if places:
            self._held[fetch] = set(places)

    def handed(self, fetch: int, place: TP) -> None:
        """All that the fetch got of the partition is where it belongs."""
        held = self._held.get(fetch)
        if held is not None:
            held.discard(place)
            if not held:
                del self._held[fetch]

    def outstanding(self) -> dict[int, set[TP]]:
        """Partitions by fetch, of which records must be asked for again."""
        return {fetch: set(places) for fetch, places in list(self._held.items())}

    def settle(self, fetches: Collection[int]) -> None:
        """What these fetches left has been asked for again."""
        for fetch in fetches:
            self._held.pop(fetch, None)

    def is_next(self, fetch: int, place: TP) -> bool:
        """Whether nothing of the partition is missing before what this fetch got."""
        return not any(place in places for other, places in list(self._held.items()) if other != fetch)
