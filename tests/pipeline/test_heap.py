"""What a start made is not walked again, what is thrown away later still is."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
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


def test_a_settled_process_still_collects_what_comes_after() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.strip() == "collected", done.stderr
