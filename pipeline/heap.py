"""Python's collector of cycles in a process that runs for weeks.

What a start makes (modules, routes, compiled schemas) stays to the end, and is most of what there is: each full
collection walks all of it, with everything standing still meanwhile. So it is taken out of the collector's sight, and
the collector looks less often at what is young.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

YOUNG = 10_000
"""Objects made, less those gone, before the young are looked through; Python's own is 700 (or 2,000)."""
_counted = Lock()
_filling = 0


def settle() -> None:
    """Called once, when the process is ready."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, *gc.get_threshold()[1:])


@contextmanager
def filling() -> Iterator[None]:
    """While much is made that will stay: the collector would walk all of it again and again as it grows. It stands
    still until the last of those who fill at once, in whatever thread, is done, and does not see it afterwards."""
    global _filling
    with _counted:
        _filling += 1
        gc.disable()
    try:
        yield
    finally:
        with _counted:
            _filling -= 1
            gc.freeze()
            if not _filling:
                gc.enable()
