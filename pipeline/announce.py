"""What a part says of itself to whoever supervises it: a line each, on its standard output."""

from __future__ import annotations

import sys

READY = "THALWEG READY "
PROGRESS = "THALWEG PROGRESS "
FORGED = "THALWEG FORGED "


def ready(name: str, where: str) -> None:
    """The part serves; `where` is its URL."""
    _say(f"{READY}{name} {where}")


def progress(what: str) -> None:
    """What the part is at, while it takes long to be ready."""
    _say(PROGRESS + what)


def forged(count: int) -> None:
    """So many records the part has met since its start that none of our processes wrote."""
    _say(f"{FORGED}{count}")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
