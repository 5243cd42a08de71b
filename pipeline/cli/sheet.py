"""Points out of CSV text (RFC 4180, one row a line): which columns, and which cell is no number."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import Misconfigured
from schemas.clustering.limits import MAX_DIMENSION

_RANGE = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?")


@dataclass(frozen=True, slots=True)
class Layout:
    """`header` None: the first row is one when it holds anything but numbers. `columns` are names of the header, or
    numbers from 1 and ranges of them; none means every column."""

    delimiter: str = ","
    header: bool | None = None
    columns: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class BadRow:
    """`line` counts from 1, as editors do; `column` is the name, or the number from 1; None concerns the whole row."""

    line: int
    column: str | None
    reason: str

    def __str__(self) -> str:
        return f"line {self.line}{'' if self.column is None else f', column {self.column}'}: {self.reason}"


class Sheet:
    """Rows to points. The first row of data decides how many cells every row has.

    A row that cannot be used ends the reading, unless `skips`.
    """

    def __init__(self, layout: Layout, *, skips: bool = False) -> None:
        self._layout = layout
        self.skips = skips
        self._names: list[str] | None = None
        self._picked: list[int] | None = None
        self._begun = False
        self._cells = 0
        self._width_from = 0
        self.line = 0
        """The last line read."""

    @property
    def dimension(self) -> int:
        """Numbers in a point; 0 before the first row."""
        if not self._cells:
            return 0
        return self._cells if self._picked is None else len(self._picked)

    def read(self, lines: Sequence[str]) -> tuple[NDArray[np.float64], Sequence[BadRow]]:
        """The points of these lines, (n, dimension), and the rows that cannot be used. Empty lines are passed over; so
        is what stands behind the first bad row, unless such rows are skipped.

        Raises Misconfigured where the columns asked for are not there.
        """
        rows: list[list[float]] = []
        bad: list[BadRow] = []
        for line in lines:
            self.line += 1
            if not line or line.isspace():
                continue
            cells = self._split(line)
            if not self._begun and self._is_header(cells):
                continue
            row = self._row(cells)
            if isinstance(row, BadRow):
                bad.append(row)
                if not self.skips:
                    break
            else:
                rows.append(row)
        return np.array(rows, np.float64).reshape(len(rows), self.dimension), bad

    def _split(self, line: str) -> list[str]:
        if '"' not in line:
            return line.split(self._layout.delimiter)
        try:
            return next(csv.reader([line], delimiter=self._layout.delimiter))
        except csv.Error:
            return [line]

    def _is_header(self, cells: list[str]) -> bool:
        """Settles, at the first row, what the columns are."""
        self._begun = True
        header = self._layout.header
        if header is None:
            header = any(_number(cell) is None for cell in cells)
        if header:
            self._names = [cell.strip() for cell in cells]
        if self._layout.columns:
            self._picked = pick(self._layout.columns, self._names, len(cells))
        return header

    def _row(self, cells: list[str]) -> list[float] | BadRow:
        if not self._cells:
            self._cells, self._width_from = len(cells), self.line
            if self.dimension > MAX_DIMENSION:
                raise Misconfigured(f"a point has at most {MAX_DIMENSION} numbers, not {self.dimension}: see --columns")
        if len(cells) != self._cells:
            return BadRow(self.line, None, f"{len(cells)} cells where line {self._width_from} has {self._cells}")
        chosen = cells if self._picked is None else [cells[index] for index in self._picked]
        try:
            row = list(map(float, chosen))
        except ValueError:
            row = []
        return row if row and all(map(math.isfinite, row)) else self._blame(chosen)

    def _blame(self, chosen: Sequence[str]) -> BadRow:
        for number, cell in enumerate(chosen):
            value = _number(cell)
            if value is None or not math.isfinite(value):
                index = number if self._picked is None else self._picked[number]
                named = self._names is not None and index < len(self._names) and self._names[index]
                column = f"{index + 1} ({self._names[index]})" if named and self._names else str(index + 1)
                what = "is not a number" if value is None else "is not finite"
                return BadRow(self.line, column, f"{cell[:40]!r} {what}" if cell.strip() else "the cell is empty")
        raise AssertionError("blamed a row of finite numbers")


def pick(columns: Sequence[str], names: Sequence[str] | None, count: int) -> list[int]:
    """Indices of the columns asked for, in that order. Raises Misconfigured, naming those there are."""
    picked: list[int] = []
    for wanted in columns:
        span = _RANGE.fullmatch(wanted)
        if names is not None and wanted in names:
            picked.append(names.index(wanted))
        elif span is not None:
            first, last = int(span[1]), int(span[2] or span[1])
            if not 1 <= first <= last <= count:
                raise Misconfigured(f"--columns {wanted}: the columns are 1 to {count}")
            picked += range(first - 1, last)
        else:
            there = f"there are {', '.join(names)}" if names is not None else "there is no header; use numbers from 1"
            raise Misconfigured(f"--columns {wanted}: no such column; {there}")
    return picked


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None
