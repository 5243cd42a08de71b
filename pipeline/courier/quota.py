"""How many deliveries may wait: of one webhook, of one owner, of all. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from pipeline.courier.settings import CourierSettings

Count = Callable[[str], int]


class Quota:
    """For some new deliveries. `in_all` wait already, of a webhook and of an owner as many as the functions say. When
    all places are taken, an owner still has the few that are everybody's own: others can take no more than the rest."""

    def __init__(self, settings: CourierSettings, in_all: int, of_webhook: Count, of_owner: Count) -> None:
        self._settings, self._in_all = settings, in_all
        self._of_webhook, self._of_owner = of_webhook, of_owner
        self._new_of_webhook: Counter[str] = Counter()
        self._new_of_owner: Counter[str] = Counter()

    def admit(self, webhook: str, owner: str) -> bool:
        """Whether one more may wait. If so, it counts."""
        settings = self._settings
        of_webhook = self._of_webhook(webhook) + self._new_of_webhook[webhook]
        of_owner = self._of_owner(owner) + self._new_of_owner[owner]
        if of_webhook >= settings.pending_each or of_owner >= settings.pending_owner:
            return False
        if self._in_all >= settings.pending and of_owner >= settings.pending_assured:
            return False
        self._in_all += 1
        self._new_of_webhook[webhook] += 1
        self._new_of_owner[owner] += 1
        return True
