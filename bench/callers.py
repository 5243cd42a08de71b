"""Clients of a benchmark that cost next to nothing themselves, since they run on the machine that is measured."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

MOST = 64


class Callers:
    """Up to `MOST` connections that are kept open, a thread each."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        self._address = urlsplit(url).netloc
        self._headers = {"Content-Type": "application/json", **headers}
        self._own = threading.local()
        self._pool = ThreadPoolExecutor(MOST)

    def paced(self, call: Callable[[int], None], count: int, rate: float) -> list[float]:
        """Milliseconds from when each of the calls was due, `rate` a second, to its end: a slow one delays no other."""
        begun = time.perf_counter() + 0.1

        def one(number: int) -> float:
            call(number)
            return (time.perf_counter() - begun - number / rate) * 1000

        calls = []
        for number in range(count):
            time.sleep(max(0.0, begun + number / rate - time.perf_counter()))
            calls.append(self._pool.submit(one, number))
        return [each.result() for each in calls]

    def at_once(self, call: Callable[[int], None], count: int, callers: int) -> list[float]:
        """Milliseconds of each of the calls, so many under way at a time."""

        def several(caller: int) -> list[float]:
            waits = []
            for number in range(caller, count, callers):
                sent = time.perf_counter()
                call(number)
                waits.append((time.perf_counter() - sent) * 1000)
            return waits

        return [wait for waits in self._pool.map(several, range(callers)) for wait in waits]

    def post(self, path: str, body: str) -> bytes:
        """The answer's body. Raises RuntimeError for a status that is not 200."""
        connection: http.client.HTTPConnection | None = getattr(self._own, "connection", None)
        if connection is None:
            connection = self._own.connection = http.client.HTTPConnection(self._address, timeout=60)
        connection.request("POST", path, body, self._headers)
        answer = connection.getresponse()
        said = answer.read()
        if answer.status != http.client.OK:
            raise RuntimeError(f"{answer.status}: {said[:500]!r}")
        return said

    def close(self) -> None:
        self._pool.shutdown()
