"""Which sources the compiled code was made from."""

from __future__ import annotations

import hashlib
from pathlib import Path


def fingerprint(folder: Path | None = None) -> int:
    """A 56-bit digest of all Python sources in `folder` (this one unless told).

    numba's cache looks at a function's own file only, and would go on using machine code whose called functions have
    since changed. The compiled entries carry this number in their closure, which numba's cache key contains.
    """
    digest = hashlib.sha256()
    for source in sorted((folder or Path(__file__).parent).glob("*.py")):
        digest.update(source.name.encode() + b"\0" + source.read_bytes() + b"\0")
    return int.from_bytes(digest.digest()[:7], "little")
