"""What a start made is not walked again, what is thrown away later still is."""

from __future__ import annotations

import subprocess
import sys

SETTLED = """
import gc, weakref
from pipeline import heap
made = [[] for _ in range(1000)]
heap.settle()
assert gc.get_freeze_count() > 1000
assert sum(1 for each in gc.get_objects() if isinstance(each, list)) < 100
class Cycle: pass
cycle = Cycle()
cycle.itself = cycle
gone = weakref.ref(cycle)
del cycle
while gone() is not None:
    made.append([])
print("collected")
"""


FILLING = """
import gc
from pipeline import heap
walks = sum(each["collections"] for each in gc.get_stats())
with heap.filling():
    made = [[] for _ in range(100_000)]
    assert sum(each["collections"] for each in gc.get_stats()) == walks
assert gc.isenabled()
assert gc.get_freeze_count() > 100_000
print("filled")
"""


TOGETHER = """
import gc
from pipeline import heap
one, two = heap.filling(), heap.filling()
one.__enter__()
two.__enter__()
one.__exit__(None, None, None)
assert not gc.isenabled()
two.__exit__(None, None, None)
assert gc.isenabled()
print("both filled")
"""


def said_by(script: str) -> str:
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    return done.stdout.strip() or done.stderr


def test_a_settled_process_still_collects_what_comes_after() -> None:
    assert said_by(SETTLED) == "collected"


def test_nothing_is_walked_while_much_is_made() -> None:
    assert said_by(FILLING) == "filled"


def test_what_is_filled_together_ends_with_the_last() -> None:
    assert said_by(TOGETHER) == "both filled"
