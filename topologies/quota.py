"""How many states a partition may have: what begins one beyond is refused, and refused again whenever the log is read
again.

The log alone decides. Where a worker stood when it was killed, records are applied again that were applied before, and
by then states exist that did not at the time; counting those would decide otherwise. So a checkpoint in which the count
changed writes, before any of its snapshots, how many states there were at its end and at which offsets each began:
before that end a state begins at those offsets and at no other, behind it the count decides.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from topologies.framing import key_of, pack, unpack

NAMES = 10
"""Times as many keys as states, those whose state is gone included: of each a little stays."""
_COUNTS = struct.Struct(">qq")
_OFFSET = struct.Struct(">q")


class Quota:
    """One partition's. `known`: before this offset all has been decided, and states began at `births` alone, as far as
    the changelog does not have their snapshots. `count` are its states, `names` the keys that have one or had one.
    `told`: whether the changelog has these numbers."""

    def __init__(
        self, most: int, count: int, names: int, known: int, births: Sequence[int] = (), *, told: bool = True
    ) -> None:
        self._most, self.count, self.names, self._known = most, count, names, known
        self._repeated = frozenset(births)
        self._births = list(births)
        self._changed = not told

    def admits(self, offset: int, *, new: bool) -> bool:
        """Whether a state may begin with this record. `new`: its key never had one."""
        if offset < self._known:
            return offset in self._repeated
        return self.count < self._most and not (new and self.names >= self._most * NAMES)

    def is_tight(self, keys: int) -> bool:
        """Whether, of so many keys, some state might not begin: else their records' order is of no concern."""
        return self.count + keys > self._most or self.names + keys > self._most * NAMES

    def begun(self, offset: int, *, new: bool) -> None:
        if offset >= self._known:
            self.count += 1
            self.names += new
            self._births.append(offset)
            self._changed = True

    def ended(self, offset: int) -> None:
        if offset >= self._known:
            self.count -= 1
            self._changed = True

    def snapshot(self, partition: int, due: int) -> list[tuple[bytes, bytes]]:
        """For the changelog, in front of the checkpoint's snapshots: what changed since the last one, if anything did.
        Those of the time before are in the changelog by now."""
        if not self._changed:
            return []
        offsets = b"".join(map(_OFFSET.pack, sorted(self._births)))
        self._births, self._changed = [], False
        return [(quota_key(partition), pack(due, _COUNTS.pack(self.count, self.names) + offsets))]


def quota_key(partition: int) -> bytes:
    """Of the changelog's record; no stream is called so."""
    return key_of(partition, "/")


def restored(value: bytes, reached: int, most: int) -> Quota:
    """As the changelog's record has it; `reached`: the offset of the partition's last whole checkpoint."""
    due, body = unpack(value)
    count, names = _COUNTS.unpack_from(body)
    births = [offset for (offset,) in _OFFSET.iter_unpack(body[_COUNTS.size :])]
    return Quota(most, count, names, max(due, reached), births)
