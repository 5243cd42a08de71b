"""`python -m pipeline.warehouse migrate` brings the tables up to date; `status` says how they stand."""

from __future__ import annotations

import argparse
import logging
import os
import sys

from pipeline.errors import Failure, Misconfigured
from pipeline.refusal import EX_CONFIG
from pipeline.settings import WarehouseSettings
from pipeline.warehouse.retention import Retention
from pipeline.warehouse.tables import bring_up_to_date, status


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m pipeline.warehouse", description=__doc__)
    parser.add_argument("step", choices=("migrate", "status"))
    step = parser.parse_args().step
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        settings = WarehouseSettings.from_environment(os.environ)
        if step == "migrate":
            done = bring_up_to_date(settings, Retention.from_environment(os.environ))
            sys.stdout.write("".join(f"applied {name}\n" for name in done) or "nothing to do\n")
        else:
            for table in status(settings):
                sys.stdout.write(
                    f"{table.name:<24} {table.rows:>14,} rows {table.bytes:>16,} bytes  {table.newest or ''}\n"
                )
    except Failure as failure:
        sys.stderr.write(f"{failure}\n")
        return EX_CONFIG if isinstance(failure, Misconfigured) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
