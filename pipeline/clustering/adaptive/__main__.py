"""Compile the adaptive learner ahead of time: `python -m pipeline.clustering.adaptive`."""

from __future__ import annotations

import sys
import time

from pipeline.clustering.adaptive.engine import warm


def main() -> None:
    started = time.perf_counter()
    warm()
    sys.stdout.write(f"the adaptive learner is compiled ({time.perf_counter() - started:.1f} s)\n")


if __name__ == "__main__":
    main()
