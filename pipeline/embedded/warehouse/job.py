"""From a request and its body to a running statement: all that costs time is done here, on a worker's thread."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from pipeline.embedded.warehouse import refusals
from pipeline.embedded.warehouse.compression import Encoder, decoded, encoder
from pipeline.embedded.warehouse.engine import Engine, Format
from pipeline.embedded.warehouse.errors import WarehouseError, refusal
from pipeline.embedded.warehouse.execution import Execution, Order, Summary
from pipeline.embedded.warehouse.external import ExternalTable
from pipeline.embedded.warehouse.framing import BlockEncoder, unframed
from pipeline.embedded.warehouse.request import Ask
from pipeline.embedded.warehouse.sessions import Sessions
from pipeline.embedded.warehouse.settings import Limits
from pipeline.embedded.warehouse.statement import Form, Statement, by_own_query_id, read_statement
from pipeline.embedded.warehouse.users import Account, Role


@dataclass(frozen=True)
class House:
    """What the jobs of one role share."""

    engine: Engine
    sessions: Sessions
    limits: Limits


class Job:
    """`prepare`, `begin`, then `more` until None, then `close`: one call at a time, each on any thread."""

    def __init__(
        self, house: House, ask: Ask, account: Account, body: list[bytes], tables: Sequence[ExternalTable] = ()
    ) -> None:
        self._house = house
        self._ask = ask
        self._account = account
        self._body = body
        self._tables = tables
        self._prepared: Order | None = None
        self._execution: Execution | None = None
        self._encoder: Encoder | None = None
        self.output: Format | None = None

    @property
    def complete(self) -> bool:
        return self._execution is not None and self._execution.complete

    @property
    def summary(self) -> Summary:
        return self._execution.summary if self._execution else Summary()

    def prepare(self) -> None:
        """Reads and checks what is asked; the engine hears nothing of it. Raises WarehouseError."""
        statement, data = self._statement()
        refusals.check(statement, self._account.role)
        refusals.check_parameters(statement, self._ask.parameters, self._account.role)
        statement = by_own_query_id(statement)
        self._check_method(statement)
        checked, data = self._checked_values(statement, data)
        self._prepared = replace(self._order(statement, data), computes_values=checked and not self._tables)

    def begin(self) -> bytes:
        """The first bytes of the answer; all of them where `complete`. After `prepare`. Raises WarehouseError."""
        assert self._prepared is not None
        self._execution = Execution(self._house.engine, self._house.sessions, self._house.limits, self._prepared)
        first = self._execution.begin()
        self._body.clear()
        self._encoder = self._chosen_encoder()
        if self._execution.complete:
            self.close()
        return self._encoded(first, last=self._execution.complete)

    def more(self) -> bytes | None:
        """The next bytes of the answer, None at its end. Raises WarehouseError."""
        if self._execution is None or self._execution.complete:
            return None
        piece = self._execution.more()
        if piece is None:
            self._execution.complete = True
            self.close()
            return self._encoded(b"", last=True)
        return self._encoded(piece, last=False)

    def last_words(self, error: WarehouseError, tag: str) -> bytes:
        """An error after the answer has begun, as ClickHouse ≥ 25.11 writes it (Exception-Tag), then the end."""
        text = str(error).encode()
        return self._encoded(
            b"\r\n__exception__\r\n%b\r\n%b\n%d %b\r\n__exception__\r\n"
            % (tag.encode(), text, len(text) + 1, tag.encode()),
            last=True,
        )

    def close(self) -> None:
        """Gives back what the statement used; done already when the answer is complete, so that a client finds its
        session free as soon as it has its answer."""
        if self._execution is not None:
            self._execution.close()
        if self._ask.ends_session and self._ask.session is not None:
            self._house.sessions.end(self._ask.session.key)

    def _statement(self) -> tuple[Statement, Iterator[bytes]]:
        """The statement, and the data that follows it. Only as much of the body as may be SQL is looked at."""
        pieces = self._decoded_body()
        text, whole = self._ask.query, False
        if text:
            try:
                statement = read_statement(text)
            except WarehouseError:
                statement = None
            if statement is not None and statement.data_start is not None:
                return statement, itertools.chain((text[statement.data_start :],), pieces)
            text += b"\n"
        head = bytearray(text)
        while len(head) <= self._house.limits.query and not whole:
            piece = next(pieces, None)
            whole = piece is None
            head += piece or b""
        return self._split(bytes(head), whole, pieces)

    def _split(self, head: bytes, whole: bool, pieces: Iterator[bytes]) -> tuple[Statement, Iterator[bytes]]:
        too_large = refusal("QUERY_IS_TOO_LARGE", f"Query is too large: more than {self._house.limits.query} bytes")
        try:
            statement = read_statement(head)
        except WarehouseError as error:
            raise error if whole else too_large from error
        if statement.data_start is not None:
            return statement, itertools.chain((head[statement.data_start :],), pieces)
        if not whole:
            raise too_large
        return statement, iter(())

    def _checked_values(self, statement: Statement, data: Iterator[bytes]) -> tuple[bool, Iterator[bytes]]:
        """Rows of VALUES, checked as SQL where they are few enough; larger data may hold literals alone."""
        if statement.form is not Form.INSERT_DATA or (statement.format or "").lower() != "values":
            return False, data
        head = bytearray()
        for piece in data:
            head += piece
            if len(head) > self._house.limits.query:
                return False, itertools.chain((bytes(head),), data)
        refusals.check_values(bytes(head))
        return True, iter((bytes(head),))

    def _decoded_body(self) -> Iterator[bytes]:
        pieces: Iterable[bytes] = self._body
        limit = self._house.limits.inflated
        pieces = decoded(self._ask.body_coding, pieces, limit)
        return decoded("", unframed(pieces), limit) if self._ask.framed_body else iter(pieces)

    def _check_method(self, statement: Statement) -> None:
        if self._ask.read_only and statement.form in (Form.WRITE, Form.INSERT_DATA):
            raise refusal(
                "READONLY",
                "Cannot execute query in readonly mode. For queries over HTTP, method GET implies readonly. "
                "You should use method POST for modifying queries",
            )

    def _order(self, statement: Statement, data: Iterator[bytes]) -> Order:
        ask = self._ask
        engine = self._house.engine
        database = ask.database or engine.database
        if self._account.role is Role.ANALYST and database != engine.database:
            raise refusal("ACCESS_DENIED", f"Not enough privileges: only database {engine.database} may be read")
        named = None if statement.form is Form.INSERT_DATA else statement.format
        output = engine.format(named or ask.output or "TabSeparated")
        self.output = output if statement.form in (Form.READ, Form.LOOK) else None
        return Order(
            statement=statement,
            output=output,
            role=self._account.role,
            query_id=ask.query_id,
            database=database,
            settings=ask.settings,
            parameters=ask.parameters,
            read_only=ask.read_only,
            whole=ask.whole,
            data=data,
            session=ask.session,
            tables=[table.read(engine.format) for table in self._tables],
            revision=ask.revision,
        )

    def _chosen_encoder(self) -> Encoder | None:
        if self._ask.framed_answer:
            return BlockEncoder()
        return encoder(self._ask.coding) if self._ask.coding else None

    def _encoded(self, data: bytes, last: bool) -> bytes:
        if self._encoder is None:
            return data
        encoded = self._encoder.encode(data) if data else b""
        return encoded + self._encoder.finish() if last else encoded
