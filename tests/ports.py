"""Free ports for the real processes that tests start."""

from __future__ import annotations

import contextlib
import os
import random
import socket

FIRST = 16_000
WIDTH = 2_000
LANES = 8  # all below 32768, from where on Linux lends ports to whoever connects; other systems begin later


class Lane:
    """The ports of one test process among those of a run: another's are never the same."""

    def __init__(self, number: int) -> None:
        self._first = FIRST + number % LANES * WIDTH
        self._at = random.randrange(WIDTH)  # another run on this machine most likely begins elsewhere

    def take(self, count: int) -> list[int]:
        """Distinct loopback ports that were free a moment ago. None is given again before all the others were."""
        taken: list[int] = []
        for _ in range(WIDTH):
            port = self._first + self._at
            self._at = (self._at + 1) % WIDTH
            if _is_free(port):
                taken.append(port)
            if len(taken) == count:
                return taken
        raise OSError(f"fewer than {count} of the ports from {self._first} on are free")


def _is_free(port: int) -> bool:
    with contextlib.closing(socket.socket()) as asking:
        try:
            asking.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


_OURS = Lane(int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")))


def free_ports(count: int) -> list[int]:
    """Distinct loopback ports that were free a moment ago, of this process's lane."""
    return _OURS.take(count)
