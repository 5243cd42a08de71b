"""Which records of a signed changelog are believed, and what of it is to be signed anew.

A worker writes the partition's own record behind its states, and only once they are durable. So a partition whose own
record is believed is *sealed*: all its states are signed under secrets that are known, and what is not is forged. One
that is not sealed is of before there were signatures, as far as no signed record lies before it: those states are
taken once, and signed.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, MutableMapping
from typing import Any

from pipeline.errors import Broken
from pipeline.forgeries import Forgeries
from pipeline.signatures import FAULTS, MISSING, UNKNOWN, WRONG, Signatures, kid_of
from schemas.exchange import SIGNATURE_HEADER
from schemas.position import Position
from topologies.framing import applied_of, own_key

log = logging.getLogger(__name__)


class Trust:
    """Of one table. Records are aiokafka's; those set aside wait for `settle`, which knows what the rest says."""

    def __init__(self, signatures: Signatures | None, forgeries: Forgeries) -> None:
        self._signatures, self._forgeries = signatures, forgeries
        self._signed_from: dict[int, int] = {}
        self._sealed: set[int] = set()
        self._aside: dict[bytes, tuple[Any, str]] = {}
        self._outdated: set[bytes] = set()

    def admits(self, record: Any) -> bool:
        """Whether the record is believed. One that is not yet may be, when its partition is settled."""
        headers = dict(record.headers)
        if self._signatures is None:
            if SIGNATURE_HEADER in headers:
                self._signed_from.setdefault(record.partition, record.offset)
            return True
        fault = self._signatures.fault(record.topic, record.key, record.value, headers)
        if fault is None:
            self._believe(record, kid_of(headers))
            return True
        behind = record.offset > self._signed_from.get(record.partition, record.offset)
        if fault == WRONG or (fault == MISSING and behind):
            self._alarm(record, fault)
        elif record.key not in self._aside or applied_of(record.value) >= applied_of(self._aside[record.key][0].value):
            self._aside[record.key] = record, fault
        return False

    def settle(self, partition: int, states: MutableMapping[bytes, bytes]) -> list[bytes]:
        """Called when all of the partition has been read: `states` get what else is believed. The keys that are to be
        written again, so that they are signed under the secret in force, the partition's own last. Raises Broken."""
        own = own_key(partition)
        if self._signatures is None:
            if partition in self._signed_from:
                raise Broken("its states are signed: set THALWEG_ACCOUNT_SECRETS, as it was set before")
            return []
        found = [(key, *aside) for key, aside in self._aside.items() if key.startswith(own)]
        adopted, unknown = 0, 0
        for key, record, fault in found:
            del self._aside[key]
            if key in states and applied_of(states[key]) >= applied_of(record.value):
                continue  # it is of before a later one
            if partition in self._sealed:
                self._alarm(record, fault)
            elif fault == UNKNOWN:
                unknown += 1
            else:
                states[key] = record.value
                self._outdated.add(key)
                adopted += 1
        if unknown:
            raise Broken(
                f"{unknown} of its states are signed under a secret that is not among THALWEG_ACCOUNT_SECRETS: put it "
                "back, behind the one in force"
            )
        if adopted:
            log.warning("%d states from before there were signatures are taken as they are, and signed", adopted)
        return sorted((key for key in self._outdated if key.startswith(own)), key=lambda key: key == own)

    def written(self, partition: int, keys: Iterable[bytes]) -> None:
        """They are in the changelog, signed under the secret in force."""
        if self._signatures is not None:
            self._outdated.difference_update(keys)
            if own_key(partition) in keys:
                self._sealed.add(partition)

    def _believe(self, record: Any, kid: str) -> None:
        assert self._signatures is not None
        first = self._signed_from.get(record.partition, record.offset)
        self._signed_from[record.partition] = min(first, record.offset)
        if record.key == own_key(record.partition):
            self._sealed.add(record.partition)
        if kid == self._signatures.kid:
            self._outdated.discard(record.key)
        else:
            self._outdated.add(record.key)

    def _alarm(self, record: Any, fault: str) -> None:
        self._forgeries.note(Position(record.topic, record.partition, record.offset), fault, FAULTS[fault])
