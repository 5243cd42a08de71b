"""Which commands have been decided lately: by this a copy of one is known, that somebody has written again.

A function of the log and of nothing else: what is forgotten depends on the commands' number and on the log's own time,
so that a worker that goes on where another crashed knows the same. The changelog gets it a page at a time, into so many
slots in turn, which bounds it there as well as here.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

PAGE = 256
"""Commands on a page: the last is written again at each checkpoint."""
KEPT = 1024
"""Pages that are remembered at most, a quarter of a million commands: 45 MB here, 6 MB in the changelog."""
SLOTS = KEPT + 128
"""Pages that the changelog holds: more than are remembered by as many as a crash may undo."""
_HEAD = struct.Struct(">qqqq")
_ENTRY = struct.Struct(">q16s")


@dataclass(slots=True)
class Page:
    """Commands in the log's order, as (offset, digest). `horizon`: those made no later may have been forgotten before
    this page began. `latest`: when the last made of this page's was made. Both in microseconds since the epoch."""

    number: int
    horizon: int
    latest: int
    entries: list[tuple[int, bytes]] = field(default_factory=list)

    @property
    def slot(self) -> int:
        return self.number % SLOTS

    @property
    def first(self) -> int:
        return self.entries[0][0]

    @property
    def last(self) -> int:
        """The offset by which the newer of two pages in a slot is known."""
        return self.entries[-1][0]

    def encode(self) -> bytes:
        head = _HEAD.pack(self.number, self.horizon, self.latest, len(self.entries))
        return head + b"".join(_ENTRY.pack(*entry) for entry in self.entries)

    @classmethod
    def decode(cls, body: bytes) -> Page:
        """Raises ValueError for what no `encode` has made."""
        try:
            number, horizon, latest, count = _HEAD.unpack_from(body)
            entries = [(offset, digest) for offset, digest in _ENTRY.iter_unpack(body[_HEAD.size :])]
        except struct.error as error:
            raise ValueError(f"{len(body)} bytes are no page of commands") from error
        if not entries or len(entries) != count:
            raise ValueError(f"a page of {count} commands has {len(entries)}")
        return cls(number, horizon, latest, entries)


class Repeats:
    """`lifetime`: microseconds after it was made in which a command may come; a later one is refused elsewhere."""

    def __init__(self, lifetime: int, pages: Iterable[Page] = ()) -> None:
        self._lifetime = lifetime
        self._pages = deque(sorted(pages, key=lambda page: page.number))
        self._offsets = {digest: offset for page in self._pages for offset, digest in page.entries}
        self._changed: dict[int, Page] = {}

    def __len__(self) -> int:
        return len(self._offsets)

    def knows(self, offset: int, digest: bytes) -> bool:
        """Whether the command of this offset has been decided before, at an earlier one."""
        return self._offsets.get(digest, offset) < offset

    def may_have_forgotten(self, offset: int, made_at: int) -> bool:
        """Whether so many have come since that it is not certain any more that this one has not been here."""
        of_then = next((page for page in reversed(self._pages) if page.first <= offset), None)
        return of_then is not None and made_at <= of_then.horizon

    def note(self, offset: int, digest: bytes, made_at: int, at: int) -> None:
        """The command is decided. `at`: the log's time of it. Decided again after a crash it is here already."""
        if digest in self._offsets:
            return
        if not self._pages or len(self._pages[-1].entries) >= PAGE:
            self._turn(made_at, at)
        page = self._pages[-1]
        page.entries.append((offset, digest))
        page.latest = max(page.latest, made_at)
        self._offsets[digest] = offset
        self._changed[page.number] = page

    def changes(self) -> Sequence[Page]:
        """The pages that are different since the last call, in their order."""
        changed, self._changed = list(self._changed.values()), {}
        return changed

    def _turn(self, made_at: int, at: int) -> None:
        """Begins a page, and forgets those that are too old, or too many."""
        number, horizon = (self._pages[-1].number + 1, self._pages[-1].horizon) if self._pages else (0, 0)
        while self._pages and (len(self._pages) >= KEPT or self._pages[0].latest + self._lifetime < at):
            gone = self._pages.popleft()
            horizon = max(horizon, gone.latest)
            for _, digest in gone.entries:
                del self._offsets[digest]
        self._pages.append(Page(number, horizon, made_at))
