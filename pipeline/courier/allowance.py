"""How many mails one mailbox is sent. Pure."""

from __future__ import annotations

from collections import OrderedDict

HOUR = 3600 * 1_000_000
REMEMBERED = 100_000
"""Mailboxes, the latest."""


class Allowance:
    """At most `most` within an hour, whoever asks for them, and in whose name."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._sent: OrderedDict[str, list[int]] = OrderedDict()

    def is_spent(self, mailbox: str, now: int) -> bool:
        return len(self._within_the_hour(mailbox, now)) >= self._most

    def note(self, mailbox: str, now: int) -> None:
        """One was sent."""
        self._sent[mailbox] = [*self._within_the_hour(mailbox, now), now]
        self._sent.move_to_end(mailbox)
        if len(self._sent) > REMEMBERED:
            self._sent.popitem(last=False)

    def _within_the_hour(self, mailbox: str, now: int) -> list[int]:
        return [at for at in self._sent.get(mailbox, ()) if at > now - HOUR]
