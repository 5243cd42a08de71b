"""One statement from beginning to end, on a worker's thread: handle, settings, result, and what is left behind."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from pipeline.embedded.warehouse import profile
from pipeline.embedded.warehouse.engine import Chunk, Engine, Format, Handle
from pipeline.embedded.warehouse.errors import refusal
from pipeline.embedded.warehouse.external import TemporaryTable
from pipeline.embedded.warehouse.names import words
from pipeline.embedded.warehouse.native import revised
from pipeline.embedded.warehouse.sessions import Key, Session, Sessions
from pipeline.embedded.warehouse.settings import Limits
from pipeline.embedded.warehouse.statement import Form, Statement
from pipeline.embedded.warehouse.users import Role

# The engine writes each block of a stream as if it stood alone: right only where a format has no header or footer.
_STREAMED = words(
    """
    native tabseparated tsv tabseparatedraw tsvraw csv rowbinary jsoneachrow jsonlines ndjson jsoncompacteachrow
    jsonstringseachrow jsoncompactstringseachrow
    """
)
_SETTING_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PATIENCE = 1.0
_PIECE = 1 << 20
# Data in the format Values may be expressions. They are evaluated only where they have been checked like SQL.
_LITERALS_ONLY = {
    "input_format_values_interpret_expressions": "0",
    "input_format_values_deduce_templates_of_expressions": "0",
}


@dataclass(frozen=True)
class SessionUse:
    key: Key
    timeout: float
    must_exist: bool


@dataclass(frozen=True)
class Order:
    """A statement as it was asked for, checked already. `data` is an INSERT's, decompressed as it is read."""

    statement: Statement
    output: Format
    role: Role
    query_id: str
    database: str
    settings: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    read_only: bool = False
    whole: bool = False
    data: Iterable[bytes] | None = None
    session: SessionUse | None = None
    tables: Sequence[TemporaryTable] = ()
    computes_values: bool = False
    revision: int = 0


@dataclass
class Summary:
    """ClickHouse's X-ClickHouse-Summary: numbers as strings."""

    read_rows: int = 0
    read_bytes: int = 0
    written_rows: int = 0
    written_bytes: int = 0
    result_rows: int = 0
    result_bytes: int = 0
    started: float = field(default_factory=time.perf_counter)

    def header(self) -> str:
        elapsed = int((time.perf_counter() - self.started) * 1e9)
        return json.dumps(
            {
                "read_rows": str(self.read_rows),
                "read_bytes": str(self.read_bytes),
                "written_rows": str(self.written_rows),
                "written_bytes": str(self.written_bytes),
                "total_rows_to_read": "0",
                "result_rows": str(self.result_rows),
                "result_bytes": str(self.result_bytes),
                "elapsed_ns": str(elapsed),
            }
        )


class Execution:
    """`begin` runs the statement until its result is whole or `first_answer` bytes of it are there; `more` gives the
    rest piece by piece; `close` must be called, on whatever thread, once no other call is running."""

    def __init__(self, engine: Engine, sessions: Sessions, limits: Limits, order: Order) -> None:
        self._engine = engine
        self._sessions = sessions
        self._limits = limits
        self._order = order
        self._rest: Iterator[Chunk] | None = None
        self._stack = ExitStack()
        self.summary = Summary()
        self.complete = False

    def begin(self) -> bytes:
        """The result's first bytes; `complete` tells whether they are all. Raises WarehouseError."""
        handle = self._prepared_handle()
        statement = self._order.statement
        if statement.form is Form.INSERT_DATA:
            return self._insert(handle)
        if statement.form is Form.READ and self._order.output.name.lower() in _STREAMED:
            self._rest = handle.stream(statement.text, self._order.output.name)
            self._stack.callback(self._rest.close)  # type: ignore[attr-defined]
            return self._first_answer()
        result = handle.run(statement.text, self._order.output.name)
        self.summary.read_rows, self.summary.read_bytes = result.read_rows, result.read_bytes
        self.summary.written_rows, self.summary.written_bytes = result.written_rows, result.written_bytes
        self.summary.result_rows, self.summary.result_bytes = result.rows, len(result.data)
        self.complete = True
        return self._revised(result.data)

    def more(self) -> bytes | None:
        """The next piece of a result that was not complete, None at its end. Raises WarehouseError."""
        if self._rest is None:
            return None
        chunk = next(self._rest, None)
        return None if chunk is None else self._counted(chunk)

    def close(self) -> None:
        self._stack.close()

    def _insert(self, handle: Handle) -> bytes:
        statement = self._order.statement
        data = _gathered(self._order.data or ())
        done = handle.insert(statement.text, self._engine.format(statement.format or "Values").name, data)
        self.summary.written_rows, self.summary.written_bytes = done.written_rows, done.written_bytes
        self.complete = True
        return b""

    def _first_answer(self) -> bytes:
        """Small results whole, so that they have their true status, length and summary; large ones begun."""
        pieces: list[bytes] = []
        size = 0
        started = time.monotonic()
        bound = self._limits.result if self._order.whole else self._limits.first_answer
        while size < bound and (self._order.whole or not size or time.monotonic() - started < _PATIENCE):
            piece = self.more()
            if piece is None:
                self.complete = True
                break
            pieces.append(piece)
            size += len(piece)
        if self._order.whole and not self.complete:
            raise refusal("QUERY_IS_TOO_LARGE", f"wait_end_of_query: the result exceeds {self._limits.result} bytes")
        return b"".join(pieces)

    def _counted(self, chunk: Chunk) -> bytes:
        self.summary.read_rows += chunk.read_rows
        self.summary.result_rows += chunk.rows
        self.summary.result_bytes += len(chunk.data)
        return self._revised(chunk.data)

    def _revised(self, data: bytes) -> bytes:
        return revised(data, self._order.revision) if self._order.output.name == "Native" else data

    def _prepared_handle(self) -> Handle:
        use = self._order.session
        if use is None:
            return self._prepare(self._fresh())
        session = self._stack.enter_context(self._sessions.borrow(use.key, use.timeout, use.must_exist))
        if session.handle is not None:
            return self._lent(session.handle)
        if self._order.statement.form is not Form.SESSION:
            return self._prepare(self._fresh())
        return self._kept(session)

    def _fresh(self) -> Handle:
        handle = self._engine.handle(self._order.role)
        self._stack.callback(handle.close)
        return handle

    def _kept(self, session: Session) -> Handle:
        """A new handle that stays with the session."""
        handle = self._engine.handle(self._order.role)
        session.handle = handle
        handle.run(f"USE {_name(self._order.database)}")
        return self._lent(handle)

    def _lent(self, handle: Handle) -> Handle:
        """A session's own handle: this request's settings are taken back when it is done."""
        names = ", ".join(_literal(name) for name in self._order.settings)
        if names:
            sql = f"SELECT name, value FROM system.settings WHERE name IN ({names})"
            rows = [json.loads(line) for line in handle.run(sql, "JSONEachRow").data.splitlines()]
            if rows:
                before = ", ".join(f"{row['name']} = {_literal(row['value'])}" for row in rows)
                self._stack.callback(handle.run, f"SET {before}")
        handle.run(f"SET {_assigned(self._settings())}")
        for table in self._order.tables:
            table.create(handle)
            self._stack.callback(handle.run, f"DROP TEMPORARY TABLE IF EXISTS {_name(table.name)}")
        return handle

    def _prepare(self, handle: Handle) -> Handle:
        """One request's settings and tables. The role was given up when the handle was made, before anything of the
        request reached the engine. A reader's own settings are set under the constraints of his profile: the engine
        refuses what is none of his, and what is more than his bounds. `readonly` comes last, for good."""
        steps = [f"SET {_assigned(self._settings())}", f"USE {_name(self._order.database)}"]
        if self._order.role is Role.ANALYST:
            steps.append(f"SET profile = '{profile.READER}'")
            own = profile.asked(self._order.settings, self._limits)
            steps += [f"SET {_assigned(own)}"] if own else []
        if self._order.tables:
            handle.run("; ".join(steps))
            steps = []
        for table in self._order.tables:
            table.create(handle)
        if self._order.role is Role.ANALYST or self._order.read_only:
            steps.append("SET readonly = 2")
        if steps:
            handle.run("; ".join(steps))
        return handle

    def _settings(self) -> dict[str, str]:
        """What is set before any constraint: ours, and the request's, but a reader's bounds instead of his own."""
        settings = profile.in_force(self._limits)
        if self._order.role is not Role.ANALYST:
            settings = dict(self._order.settings)
        if self._order.output.name.lower() not in _STREAMED:
            settings.setdefault("max_result_bytes", str(self._limits.result))
        settings["log_comment"] = self._order.query_id
        if not self._order.computes_values:
            settings |= _LITERALS_ONLY
        return settings | {f"param_{name}": value for name, value in self._order.parameters.items()}


def _gathered(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces of at least `_PIECE`: each one that is given to the engine has its cost."""
    held: list[bytes] = []
    size = 0
    for piece in pieces:
        held.append(piece)
        size += len(piece)
        if size >= _PIECE:
            yield b"".join(held)
            held, size = [], 0
    if held:
        yield b"".join(held)


def _assigned(settings: Mapping[str, str]) -> str:
    return ", ".join(f"{_setting(name)} = {_literal(value)}" for name, value in settings.items())


def _setting(name: str) -> str:
    if not _SETTING_NAME.fullmatch(name):
        raise refusal("BAD_ARGUMENTS", f"{name!r} is not the name of a setting")
    return name


def _literal(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _name(identifier: str) -> str:
    escaped = identifier.replace("\\", "\\\\").replace("`", "\\`")
    return f"`{escaped}`"
