"""The columns of a table as a client describes them in a string: names and types, and nothing else.

ClickHouse takes whatever may stand between the brackets of CREATE TABLE there: DEFAULT, ALIAS, CONSTRAINT … CHECK,
INDEX, PROJECTION, TTL, each with expressions and subqueries. Here a text is read by a grammar that knows none of
them, and what goes on to the engine is written anew from what was read.

    columns := name type {"," name type}        type := family ["(" argument {"," argument} ")"]
    argument := [name] type | number | string ["=" number]
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from pipeline.embedded.warehouse.errors import WarehouseError, refusal
from pipeline.embedded.warehouse.lexer import Kind, Token, tokens
from pipeline.embedded.warehouse.names import DATA_TYPES

_COLUMNS = 1000
_DEPTH = 32
_NUMBER = re.compile(r"[0-9]{1,20}")
_END = Token(Kind.BROKEN, "", 0, 0)


def read_columns(text: str) -> str:
    """`a Int8, b Array(String)` as CREATE TABLE takes it, names quoted. Raises BAD_ARGUMENTS for anything else."""
    reader = _Reader(text)
    return ", ".join(reader.listed(reader.column))


def read_types(text: str) -> str:
    """`Int8, String` as columns `_1`, `_2` …. Raises BAD_ARGUMENTS for anything else."""
    reader = _Reader(text)
    return ", ".join(f"`_{number}` {kind}" for number, kind in enumerate(reader.listed(reader.type), start=1))


def is_structure(text: str) -> bool:
    """Whether `read_columns` takes it."""
    try:
        read_columns(text)
    except WarehouseError:
        return False
    return True


class _Reader:
    """One token ahead, each token looked at once."""

    def __init__(self, text: str) -> None:
        self._tokens = tokens(text.encode("utf-8", "surrogateescape"))
        self._depth = 0
        self._next = next(self._tokens, _END)

    def listed(self, read: Callable[[], str]) -> Iterator[str]:
        """What `read` gives, again and again, with commas between, to the end of the text."""
        for number in range(1, _COLUMNS + 1):
            yield read()
            if self._next is _END:
                return
            self._sign(",")
            if number == _COLUMNS:
                raise refusal("BAD_ARGUMENTS", f"A structure has at most {_COLUMNS} columns")

    def column(self) -> str:
        return f"{_quoted(self._word())} {self.type()}"

    def type(self) -> str:
        return self._rest_of_type(self._taken(Kind.WORD))

    def _rest_of_type(self, family: Token) -> str:
        if family.quoted or family.text.lower() not in DATA_TYPES:
            raise _fault(f"{family.text[:50]!r} is no type that is known here")
        if not self._next.is_sign("("):
            return family.text
        self._depth += 1
        if self._depth > _DEPTH:
            raise _fault("its types are nested too deeply")
        self._sign("(")
        arguments = [] if self._next.is_sign(")") else [self._argument()]
        while self._next.is_sign(","):
            self._sign(",")
            arguments.append(self._argument())
        self._sign(")")
        self._depth -= 1
        return f"{family.text}({', '.join(arguments)})"

    def _argument(self) -> str:
        if self._next.kind is Kind.STRING:
            text = _literal(self._taken(Kind.STRING).text)
            if not self._next.is_sign("="):
                return text
            self._sign("=")
            return f"{text} = {self._number()}"
        if self._next.kind is Kind.NUMBER or self._next.is_sign("-"):
            return self._number()
        word = self._taken(Kind.WORD)
        if self._next.kind is Kind.WORD:
            return f"{_quoted(word.text)} {self.type()}"
        return self._rest_of_type(word)

    def _number(self) -> str:
        sign = ""
        if self._next.is_sign("-"):
            self._sign("-")
            sign = "-"
        digits = self._taken(Kind.NUMBER).text
        if not _NUMBER.fullmatch(digits):
            raise _fault(f"{digits[:50]!r} is no whole number")
        return sign + digits

    def _word(self) -> str:
        return self._taken(Kind.WORD).text

    def _sign(self, sign: str) -> None:
        if not self._next.is_sign(sign):
            raise _fault(f"at position {self._next.start + 1} {sign!r} is expected")
        self._taken(Kind.SIGN)

    def _taken(self, kind: Kind) -> Token:
        token = self._next
        if token.kind is not kind or token is _END:
            where = "at its end" if token is _END else f"at position {token.start + 1}"
            raise _fault(f"{where} a {kind.value} is expected")
        self._next = next(self._tokens, _END)
        return token


def _fault(what: str) -> WarehouseError:
    return refusal("BAD_ARGUMENTS", f"A structure is names and types alone, like 'a Int8, b Array(String)': {what}")


def _quoted(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace("`", "\\`")
    return f"`{escaped}`"


def _literal(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
