"""How the courier works."""

from __future__ import annotations

from dataclasses import dataclass, field

from pipeline.accounts.destinations import Allowed
from pipeline.settings import Environment, between, setting


@dataclass(frozen=True)
class CourierSettings:
    """Of all couriers of a `group` one works, the others stand by. With `instance` the group knows this process by name
    and lets it go on when it restarts; without, another takes over `session_ms` after it was last heard of.

    At most `attempts` are under way at a time, `attempts_each` of one webhook, `attempts_owner` of one owner; of a
    webhook at most `pending_each` deliveries wait, of an owner `pending_owner`, of all `pending`, but for the
    `pending_assured` of each owner. An attempt takes at most `seconds`, connecting `connect_seconds` of them. What is
    old is looked for every `sweep_seconds`."""

    group: str = "thalweg-courier"
    instance: str | None = None
    session_ms: int = 10_000
    allowed: Allowed = field(default_factory=Allowed)
    attempts: int = 32
    attempts_each: int = 4
    attempts_owner: int = 8
    pending: int = 20_000
    pending_each: int = 1_000
    pending_owner: int = 2_000
    pending_assured: int = 50
    seconds: float = 10.0
    connect_seconds: float = 5.0
    sweep_seconds: float = 60.0

    @property
    def readers(self) -> str:
        """The group whose offsets say which events have become deliveries."""
        return f"{self.group}-events"

    @classmethod
    def from_environment(cls, environ: Environment) -> CourierSettings:
        """Raises Misconfigured."""
        return cls(
            group=setting(environ, "THALWEG_COURIER_GROUP", cls.group, str),
            instance=setting(environ, "THALWEG_COURIER_INSTANCE", None, _some),
            session_ms=setting(environ, "THALWEG_COURIER_SESSION_MS", cls.session_ms, between(6_000, 300_000)),
            allowed=Allowed.from_environment(environ),
        )


def _some(text: str) -> str | None:
    return text
