"""Named sessions: what SET, USE and temporary tables leave behind for the next request with the same session_id."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.embedded.warehouse.engine import Handle
from pipeline.embedded.warehouse.errors import refusal

Key = tuple[str, str]


class Session:
    """`handle` is None until a statement has left something behind: most clients name a session and never use it."""

    def __init__(self) -> None:
        self.handle: Handle | None = None
        self.busy = False
        self.expires = 0.0

    def close(self) -> None:
        if self.handle is not None:
            self.handle.close()
            self.handle = None


class Sessions:
    """At most `limit` sessions, each for one request at a time; those out of time are closed, the rest kept. For a new
    one past the limit the oldest in which nothing was left is forgotten."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._sessions: dict[Key, Session] = {}
        self._lock = threading.Lock()

    @contextmanager
    def borrow(self, key: Key, timeout: float, must_exist: bool) -> Iterator[Session]:
        """The session, locked. Raises SESSION_NOT_FOUND, SESSION_IS_LOCKED, or TOO_MANY_SIMULTANEOUS_QUERIES."""
        session = self._take(key, must_exist)
        try:
            yield session
        finally:
            with self._lock:
                session.busy = False
                session.expires = time.monotonic() + timeout

    def end(self, key: Key) -> None:
        with self._lock:
            session = self._sessions.pop(key, None)
        if session is not None:
            session.close()

    def end_expired(self) -> None:
        """Closes the sessions that nobody has used within their time."""
        now = time.monotonic()
        with self._lock:
            expired = [key for key, session in self._sessions.items() if not session.busy and session.expires < now]
            ended = [self._sessions.pop(key) for key in expired]
        for session in ended:
            session.close()

    def close(self) -> None:
        with self._lock:
            ended = list(self._sessions.values())
            self._sessions.clear()
        for session in ended:
            session.close()

    def __len__(self) -> int:
        return len(self._sessions)

    def _take(self, key: Key, must_exist: bool) -> Session:
        self.end_expired()
        with self._lock:
            session = self._sessions.get(key)
            if session is None:
                if must_exist:
                    raise refusal("SESSION_NOT_FOUND", f"Session {key[1]} not found")
                if len(self._sessions) >= self._limit and not self._forget_one():
                    raise refusal("TOO_MANY_SIMULTANEOUS_QUERIES", f"Too many sessions, the maximum is {self._limit}")
                session = self._sessions[key] = Session()
            if session.busy:
                raise refusal("SESSION_IS_LOCKED", f"Session {key[1]} is locked by a concurrent client")
            session.busy = True
            return session

    def _forget_one(self) -> bool:
        kept = self._sessions.items()
        empty = next((key for key, session in kept if not session.busy and session.handle is None), None)
        return empty is not None and self._sessions.pop(empty) is not None
