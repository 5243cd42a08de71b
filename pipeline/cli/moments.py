"""Points in time as people give them on a command line."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from pipeline.clock import Clock
from pipeline.errors import Misconfigured

_AGO = re.compile(r"(\d{1,9})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
FORMS = "2h (ago; s, m, h, d), 2025-01-15, or 2025-01-15T10:30:00Z (UTC where no zone is named)"


def moment(text: str, option: str, clock: Clock) -> int:
    """Microseconds since the epoch, of the FORMS. Raises Misconfigured."""
    ago = _AGO.fullmatch(text)
    if ago is not None:
        return clock() - int(ago[1]) * _SECONDS[ago[2]] * 1_000_000
    try:
        given = datetime.fromisoformat(text)
    except ValueError:
        raise Misconfigured(f"{option} {text}: the forms are {FORMS}") from None
    return int((given if given.tzinfo else given.replace(tzinfo=UTC)).timestamp() * 1_000_000)
