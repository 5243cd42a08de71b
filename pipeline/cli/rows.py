"""Rows of CSV (RFC 4180) out of lines that come a few at a time: a quoted cell may go on over several."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline.cli.lines import MAX_LINE
from pipeline.errors import Misconfigured


@dataclass(frozen=True, slots=True)
class Row:
    """`line`, from 1, is where it begins; `problem` says why it is no row."""

    line: int
    cells: Sequence[str]
    problem: str | None = None


class Rows:
    """Read by the standard library's reader, in strict mode. What lines leave open waits for those that come."""

    def __init__(self, delimiter: str) -> None:
        self._delimiter = delimiter
        self._open: list[str] = []
        self._line = 0

    def read(self, lines: Sequence[str], *, final: bool = False) -> Iterator[Row]:
        """The rows that end in these lines; empty lines are none. With `final` no more lines will come. Raises
        Misconfigured for a row longer than a mebibyte."""
        held, self._open = [*self._open, *lines], []
        reader = csv.reader(_feed(held, final), delimiter=self._delimiter, strict=True)
        begun = 0
        while True:
            begun = reader.line_num
            try:
                cells = next(reader)
            except StopIteration:
                break
            except _Starved:
                self._keep(held[begun:])
                break
            except csv.Error as error:
                yield Row(self._line + begun + 1, (), str(error))
            else:
                if len(cells) > 1 or (cells and not cells[0].isspace()):
                    yield Row(self._line + begun + 1, cells)
        self._line += begun

    def _keep(self, lines: list[str]) -> None:
        if sum(map(len, lines)) > MAX_LINE:
            raise Misconfigured(f"a quote that is opened in line {self._line + 1} is not closed within 1 MiB")
        self._open = lines


class _Starved(Exception):
    """The reader wants a line that has not come yet."""


def _feed(lines: Sequence[str], final: bool) -> Iterator[str]:
    for line in lines:
        yield line + "\n"
    if not final:
        raise _Starved
