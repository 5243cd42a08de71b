"""Compile the adaptive learner ahead of time: `python -m pipeline.clustering.adaptive`."""

from __future__ import annotations

import argparse
import sys
import time

from pipeline.clustering.adaptive.engine import warm


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m pipeline.clustering.adaptive", description=__doc__)
    parser.add_argument("--kept", action="store_true", help="end with status 1 if it had to be compiled just now")
    arguments = parser.parse_args()
    started = time.perf_counter()
    kept = warm()
    sys.stdout.write(
        f"the adaptive learner is {'loaded' if kept else 'compiled'} ({time.perf_counter() - started:.1f} s)\n"
    )
    return 1 if arguments.kept and not kept else 0


if __name__ == "__main__":
    sys.exit(main())
