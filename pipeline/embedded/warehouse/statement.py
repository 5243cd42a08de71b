"""The front matter of a request's SQL: what kind of statement it is, its FORMAT, where an INSERT's data begins."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from pipeline.embedded.warehouse.errors import refusal
from pipeline.embedded.warehouse.lexer import Kind, Token, tokens

_OPENING = {"(", "[", "{"}
_CLOSING = {")", "]", "}"}
_READING = ("SELECT", "WITH", "FROM")
_LOOKING = ("SHOW", "DESCRIBE", "DESC", "EXISTS", "EXPLAIN", "CHECK", "WATCH")
_SESSION = ("SET", "USE")
_TOKENS = 200_000


class Form(Enum):
    """How a statement runs: what it gives back and what it leaves behind."""

    READ = "read"  # SELECT: its result can be streamed
    LOOK = "look"  # SHOW, DESCRIBE, EXISTS, EXPLAIN …: a small result
    INSERT_DATA = "insert data"  # INSERT … FORMAT or VALUES: data follows the statement
    SESSION = "session"  # SET, USE, temporary tables: changes the session alone
    WRITE = "write"  # everything else


@dataclass(frozen=True)
class Statement:
    """`sql` is the statement without its FORMAT clause, trailing semicolon and data; `format` is the named format,
    `None` where the statement names none. `data_start` is where the data begins in the text it was read from."""

    sql: bytes
    tokens: tuple[Token, ...]
    form: Form
    format: str | None = None
    data_start: int | None = None

    @property
    def verb(self) -> str:
        return next((token.text.upper() for token in self.tokens if token.kind is Kind.WORD), "")

    @property
    def text(self) -> str:
        try:
            return self.sql.decode("utf-8")
        except UnicodeDecodeError as error:
            raise refusal("SYNTAX_ERROR", f"The query is not UTF-8 text: byte {error.start} cannot be read") from error


def read_statement(text: bytes) -> Statement:
    """Reads one statement. Raises SYNTAX_ERROR for an empty text, several statements, or an unclosed quote."""
    read: list[Token] = []
    depth = 0
    ended = False
    carries_data = True
    for token in tokens(text):
        if token.kind is Kind.BROKEN:
            raise refusal("SYNTAX_ERROR", f"A quote or comment opened at position {token.start + 1} is never closed")
        if ended:
            raise refusal("SYNTAX_ERROR", f"Multi-statements are not allowed (position {token.start + 1})")
        if token.is_sign(";"):
            ended = True
            continue
        depth += (token.text in _OPENING) - (token.text in _CLOSING) if token.kind is Kind.SIGN else 0
        read.append(token)
        if len(read) > _TOKENS:
            raise refusal("QUERY_IS_TOO_LARGE", f"Query is too large: more than {_TOKENS} words and signs")
        carries_data = carries_data and not token.is_word("SELECT", "WITH", "INFILE")
        if depth == 0 and carries_data and _is_insert(read):
            statement = _insert_with_data(text, read)
            if statement is not None:
                return statement
    if not read:
        raise refusal("SYNTAX_ERROR", "Empty query")
    return _whole(text, read)


def _is_insert(read: list[Token]) -> bool:
    return read[0].is_word("INSERT")


def _insert_with_data(text: bytes, read: list[Token]) -> Statement | None:
    """The statement, if the tokens so far end in what announces data: VALUES, or FORMAT and a name."""
    last = read[-1]
    if len(read) < 3:
        return None
    if last.kind is Kind.WORD and read[-2].is_word("FORMAT") and not _names_a_table(read[:-2]):
        sql = text[: read[-2].start].rstrip()
        return Statement(sql, tuple(read[:-2]), Form.INSERT_DATA, last.text, data_start=_data_start(text, last.end))
    if last.is_word("VALUES") and not _names_a_table(read[:-1]):
        return Statement(text[: last.start].rstrip(), tuple(read[:-1]), Form.INSERT_DATA, "Values", data_start=last.end)
    return None


def _names_a_table(before: list[Token]) -> bool:
    """Whether the word after these is a table's name, though it looks like a keyword."""
    return before[-1].is_word("INTO", "TABLE") or before[-1].is_sign(".")


def _data_start(text: bytes, position: int) -> int:
    """After FORMAT and its name come blanks and at most one line end; what follows is data, whatever it is."""
    while text[position : position + 1] in (b" ", b"\t", b"\f"):
        position += 1
    if text[position : position + 1] == b"\r":
        position += 1
    return position + 1 if text[position : position + 1] == b"\n" else position


def _whole(text: bytes, read: list[Token]) -> Statement:
    clause = _format_clause(read)
    end = read[-1].end
    if clause is None:
        return Statement(text[:end], tuple(read), _form(read))
    start, name = clause
    sql = text[: read[start].start] + text[read[start + 1].end : end]
    kept = tuple(read[:start] + read[start + 2 :])
    return Statement(sql.rstrip(), kept, _form(read), name)


def _format_clause(read: list[Token]) -> tuple[int, str] | None:
    """Index and name of `FORMAT name` outside all brackets, at the end or followed by SETTINGS alone."""
    depth = 0
    for index in range(len(read) - 1, 0, -1):
        token = read[index]
        if token.kind is Kind.SIGN:
            depth += (token.text in _CLOSING) - (token.text in _OPENING)
        if depth == 0 and token.kind is Kind.WORD and read[index - 1].is_word("FORMAT") and index > 1:
            following = read[index + 1] if index + 1 < len(read) else None
            if following is None or following.is_word("SETTINGS"):
                return index - 1, token.text
    return None


def _form(read: list[Token]) -> Form:
    first = next((token for token in read if not token.is_sign("(")), read[0])
    if first.is_word(*_READING):
        # WITH … INSERT INTO … SELECT is one of the ways to write an INSERT.
        return Form.WRITE if first.is_word("WITH") and any(token.is_word("INSERT") for token in read) else Form.READ
    if first.is_word(*_LOOKING):
        return Form.LOOK
    if first.is_word(*_SESSION) or (first.is_word("CREATE", "DROP", "REPLACE") and _is_temporary(read)):
        return Form.SESSION
    return Form.WRITE


def _is_temporary(read: list[Token]) -> bool:
    return any(token.is_word("TEMPORARY") for token in read[1:4])


def by_own_query_id(statement: Statement) -> Statement:
    """KILL QUERY with `query_id` read as the client's own id, which the engine knows as the setting log_comment."""
    if statement.verb != "KILL" or not any(token.is_word("QUERY") for token in statement.tokens[:2]):
        return statement
    pieces: list[bytes] = []
    start = 0
    for token in statement.tokens:
        if token.kind is Kind.WORD and token.text.lower() == "query_id":
            pieces += [statement.sql[start : token.start], b"Settings['log_comment']"]
            start = token.end
    return replace(statement, sql=b"".join([*pieces, statement.sql[start:]]))
