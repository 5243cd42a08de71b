"""ClickHouse SQL cut into tokens, so that words in strings and comments are never taken for SQL.

Follows src/Parsers/Lexer.cpp: nested comments, heredocs, typographic quotes and escapes in quoted identifiers
included. Works on bytes, since an INSERT's statement is followed by data that is no text. Takes time in proportion to
the text, whatever is in it: nothing is looked for twice over the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    WORD = "word"  # an identifier, bare or quoted: `text` is the name itself
    STRING = "string"
    NUMBER = "number"
    SIGN = "sign"
    BROKEN = "broken"  # an unclosed string, comment or quote: the rest of the text


@dataclass(frozen=True, slots=True)
class Token:
    kind: Kind
    text: str
    start: int
    end: int
    quoted: bool = False

    def is_word(self, *names: str) -> bool:
        """A bare word that is one of these keywords (in capitals)."""
        return self.kind is Kind.WORD and not self.quoted and self.text.upper() in names

    def is_sign(self, sign: str) -> bool:
        return self.kind is Kind.SIGN and self.text == sign


# What the engine skips between tokens, UTF-8 spaces and the byte order mark included.
_SPACE = re.compile(
    rb"(?:[\x00\x09-\x0d\x20]|\xc2\xa0|\xe1\x9a\x80|\xe1\xa0\x8e|\xe2\x80[\x80-\x8d\xa8\xa9\xaf]"
    rb"|\xe2\x81[\x9f\xa0]|\xe3\x80\x80|\xef\xbb\xbf)+"
)
_LINE_COMMENT = re.compile(rb"(?:--|//|#[ !])[^\n]*")
_COMMENT_EDGE = re.compile(rb"/\*|\*/")
# A typographic quote or white space ends a word, though its bytes are above 0x7f.
_WORD = re.compile(
    rb"[A-Za-z_\x80-\xff$](?:[A-Za-z0-9_$]++|(?!\xc2\xa0|\xe1\x9a\x80|\xe1\xa0\x8e"
    rb"|\xe2\x80[\x80-\x8d\xa8\xa9\xaf\x98\x9c]|\xe2\x81[\x9f\xa0]|\xe3\x80\x80|\xef\xbb\xbf)[\x80-\xff])*+"
)
_NUMBER = re.compile(rb"[0-9][A-Za-z0-9_]*")
_HEREDOC = re.compile(rb"\$[A-Za-z0-9_]*\$")
_EACH_HEREDOC = re.compile(rb"(?=(\$[A-Za-z0-9_]*\$))")
# Possessive: like the engine's, a pair of quotes is never taken apart again.
_QUOTED = {
    b"'": re.compile(rb"'(?:[^'\\]++|\\.|'')*+'", re.DOTALL),
    b"`": re.compile(rb"`(?:[^`\\]++|\\.|``)*+`", re.DOTALL),
    b'"': re.compile(rb'"(?:[^"\\]++|\\.|"")*+"', re.DOTALL),
}
_TYPOGRAPHIC = {b"\xe2\x80\x98": (b"\xe2\x80\x99", Kind.STRING), b"\xe2\x80\x9c": (b"\xe2\x80\x9d", Kind.WORD)}
_ESCAPE = re.compile(rb"\\(x[0-9A-Fa-f]{2}|.)", re.DOTALL)
_ESCAPED = {b"b": b"\b", b"f": b"\f", b"r": b"\r", b"n": b"\n", b"t": b"\t", b"0": b"\0", b"a": b"\a", b"v": b"\v"}


def tokens(sql: bytes, start: int = 0) -> Iterator[Token]:
    """The tokens from `start` on, comments and white space left out. Lazy: reads no further than asked."""
    heredocs = _Heredocs(sql)
    position = start
    while (position := _after_blanks(sql, position)) < len(sql):
        if sql.startswith(b"/*", position):
            yield Token(Kind.BROKEN, "", position, len(sql))
            return
        token = _token(sql, position, heredocs)
        yield token
        position = token.end


def _after_blanks(sql: bytes, position: int) -> int:
    while True:
        match = _SPACE.match(sql, position) or _LINE_COMMENT.match(sql, position)
        if match:
            position = match.end()
            continue
        end = _comment_end(sql, position) if sql.startswith(b"/*", position) else None
        if end is None:
            return position
        position = end


def _comment_end(sql: bytes, start: int) -> int | None:
    """Where the comment that begins at `start` ends, comments within it counted; None where it never does."""
    depth = 0
    for edge in _COMMENT_EDGE.finditer(sql, start):
        depth += 1 if edge[0] == b"/*" else -1
        if depth == 0:
            return edge.end()
    return None


def _token(sql: bytes, start: int, heredocs: _Heredocs) -> Token:
    first = sql[start : start + 1]
    if first in _QUOTED:
        return _quoted(sql, start, first)
    if first == b"$" and (tag := _HEREDOC.match(sql, start)):
        end = heredocs.closing(tag)
        if end >= 0:
            return Token(Kind.STRING, _text(sql[tag.end() : end]), start, end + len(tag[0]), quoted=True)
    typographic = _TYPOGRAPHIC.get(sql[start : start + 3])
    if typographic is not None:
        closing, kind = typographic
        end = sql.find(closing, start + 3)
        if end < 0:
            return Token(Kind.BROKEN, "", start, len(sql))
        return Token(kind, _text(sql[start + 3 : end]), start, end + 3, quoted=True)
    for kind, pattern in ((Kind.WORD, _WORD), (Kind.NUMBER, _NUMBER)):
        match = pattern.match(sql, start)
        if match:
            return Token(kind, _text(match[0]), start, match.end())
    return Token(Kind.SIGN, _text(first), start, start + 1)


class _Heredocs:
    """Where the tag of a heredoc stands last in a text: one that is not closed is not looked for to the end of it."""

    def __init__(self, sql: bytes) -> None:
        self._sql = sql
        self._last: dict[bytes, int] | None = None

    def closing(self, tag: re.Match[bytes]) -> int:
        """The position of the closing tag, -1 where there is none."""
        if self._last is None:
            self._last = {found[1]: found.start() for found in _EACH_HEREDOC.finditer(self._sql)}
        return self._sql.find(tag[0], tag.end()) if self._last[tag[0]] >= tag.end() else -1


def _quoted(sql: bytes, start: int, quote: bytes) -> Token:
    match = _QUOTED[quote].match(sql, start)
    if match is None:
        return Token(Kind.BROKEN, "", start, len(sql))
    inner = sql[start + 1 : match.end() - 1].replace(quote + quote, quote)
    kind = Kind.STRING if quote == b"'" else Kind.WORD
    return Token(kind, _text(_ESCAPE.sub(_unescaped, inner)), start, match.end(), quoted=True)


def _unescaped(match: re.Match[bytes]) -> bytes:
    code = match[1]
    if len(code) == 3:
        return bytes([int(code[1:], 16)])
    return _ESCAPED.get(code, code)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
