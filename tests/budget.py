"""How long the fuzzing tests may look: THALWEG_FUZZ_SECONDS, about; unset, a little and always at the same things."""

from __future__ import annotations

import os

_SHORT_SECONDS = 90
_SECONDS = os.environ.get("THALWEG_FUZZ_SECONDS", "")
SHORT = not _SECONDS
PATIENCE = 600 + 2 * int(_SECONDS or 0)
"""Seconds after which a fuzzing test is taken to hang."""


def examples(count: int) -> int:
    """How many examples a test may try that tries `count` of them in the short run."""
    return count if SHORT else max(count, count * int(_SECONDS) // _SHORT_SECONDS)
