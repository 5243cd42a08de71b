"""What one role may use of the process, apart from what the other uses."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from pipeline.embedded.warehouse.admission import Admission
from pipeline.embedded.warehouse.job import House


class Pool:
    """One role's slots, threads, sessions and bytes: what one spends, the other does not lack.

    Statements run on `workers`. They are read and checked on `readers`, of which the analyst has one: all of it is
    Python, and shares one processor with the event loop.
    """

    def __init__(self, house: House, readers: int) -> None:
        self.house = house
        self.admission = Admission(house.limits)
        self.workers = ThreadPoolExecutor(house.limits.workers, thread_name_prefix="statement")
        self.readers = ThreadPoolExecutor(readers, thread_name_prefix="reader")

    def shutdown(self) -> None:
        for threads in (self.workers, self.readers):
            threads.shutdown(wait=False, cancel_futures=True)
