"""Points out of the rows of CSV: which columns, and which cell is no number."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.cli.rows import Row, Rows
from pipeline.errors import Misconfigured
from schemas.clustering.limits import MAX_DIMENSION

_RANGE = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?")


_NUMBER = re.compile(r"\s*[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\s*")
"""What a person calls a number. `float` takes more: `1_000`, `nan`, `infinity`, digits of other scripts."""
_ODD = re.compile(r"[^0-9+\-.eE \n]")
"""Without such a character in it, what `float` takes is a number."""


@dataclass(frozen=True, slots=True)
class Layout:
    """`header` None: the first row is one when none of its cells is a number. `columns` are names of the header, or
    numbers from 1 and ranges of them; none means every column. `decimal` is a point or a comma."""

    delimiter: str = ","
    header: bool | None = None
    columns: Sequence[str] = ()
    decimal: str = "."


@dataclass(frozen=True, slots=True)
class BadRow:
    """`line` counts from 1, as editors do; `column` is the name, or the number from 1; None concerns the whole row."""

    line: int
    column: str | None
    reason: str

    def __str__(self) -> str:
        return f"line {self.line}{'' if self.column is None else f', column {self.column}'}: {self.reason}"


class Sheet:
    """Rows to points. The header, or else the first row, decides how many cells every row has.

    A row that cannot be used ends the reading, unless `skips`.
    """

    def __init__(self, layout: Layout, *, skips: bool = False) -> None:
        self._layout = layout
        self.skips = skips
        self._rows = Rows(layout.delimiter)
        self._names: list[str] | None = None
        self._picked: list[int] = []
        self._cells = 0
        self._width_from = ""
        self.rows = 0
        """Rows read, without the header."""

    @property
    def dimension(self) -> int:
        """Numbers in a point; 0 before the first row."""
        return len(self._picked)

    @property
    def columns(self) -> Sequence[str]:
        """What the numbers of a point are: names of the header, or numbers from 1."""
        return [str(index + 1) if self._names is None else self._names[index] for index in self._picked]

    def read(self, lines: Sequence[str], *, final: bool = False) -> tuple[NDArray[np.float64], Sequence[BadRow]]:
        """The points of these lines, (n, dimension), and the rows that cannot be used. Empty lines are passed over; so
        is what stands behind the first bad row, unless such rows are skipped. `final`: no more lines will come.

        Raises Misconfigured where the columns asked for are not there, or the first row does not tell what it is.
        """
        points: list[list[float]] = []
        bad: list[BadRow] = []
        for row in self._rows.read(lines, final=final):
            if not self._cells and row.problem is None and self._begin(row):
                continue
            self.rows += 1
            read = self._point(row)
            if isinstance(read, BadRow):
                bad.append(read)
                if not self.skips:
                    break
            else:
                points.append(read)
        return np.array(points, np.float64).reshape(len(points), self.dimension), bad

    def _begin(self, row: Row) -> bool:
        """Settles, at the first row, what the columns are. Whether it is a header."""
        header = self._is_header(row.cells)
        self._cells = len(row.cells)
        self._width_from = f"the header (line {row.line})" if header else f"line {row.line}"
        if header:
            self._names = [cell.strip() for cell in row.cells]
        self._picked = pick(self._layout.columns, self._names, self._cells) or list(range(self._cells))
        if not self._layout.columns and self._names is not None and "" in self._names:
            nameless = self._names.index("") + 1
            raise Misconfigured(
                f"column {nameless} of the header has no name (are these row names?): say which --columns are the point"
            )
        if self.dimension > MAX_DIMENSION:
            raise Misconfigured(f"a point has at most {MAX_DIMENSION} numbers, not {self.dimension}: see --columns")
        return header

    def _is_header(self, cells: Sequence[str]) -> bool:
        """Raises Misconfigured for a first row that might be either: taken for a header, a row with a gap is lost."""
        if self._layout.header is not None:
            return self._layout.header
        names = [cell.strip() for cell in cells]
        if any(name in names and not _RANGE.fullmatch(name) for name in self._layout.columns):
            return True
        asked = [cells[index] for index in pick(self._layout.columns, None, len(cells))] or cells
        numbers = sum(self._number(cell) is not None for cell in asked)
        if 0 < numbers < len(asked):
            raise Misconfigured(
                "the first row holds numbers and other cells: say --header if it names the columns, else --no-header"
            )
        return not numbers

    def _point(self, row: Row) -> list[float] | BadRow:
        if row.problem is not None:
            return BadRow(row.line, None, row.problem)
        if len(row.cells) != self._cells:
            return BadRow(row.line, None, f"{len(row.cells)} cells where {self._width_from} has {self._cells}")
        chosen = [row.cells[index] for index in self._picked]
        if self._layout.decimal == "." and not _ODD.search("\n".join(chosen)):
            with suppress(ValueError):
                numbers = list(map(float, chosen))
                if all(map(math.isfinite, numbers)):
                    return numbers
        return self._cell_by_cell(row)

    def _cell_by_cell(self, row: Row) -> list[float] | BadRow:
        numbers: list[float] = []
        for index in self._picked:
            number = self._number(row.cells[index])
            if number is None or not math.isfinite(number):
                return BadRow(row.line, self._column(index), self._blame(row.cells[index], number))
            numbers.append(number)
        return numbers

    def _number(self, cell: str) -> float | None:
        if self._layout.decimal == ",":
            cell = cell.replace(".", "?").replace(",", ".")
        return float(cell) if _NUMBER.fullmatch(cell) else None

    def _column(self, index: int) -> str:
        return f"{index + 1} ({self._names[index]})" if self._names and self._names[index] else str(index + 1)

    def _blame(self, cell: str, number: float | None) -> str:
        if not cell.strip():
            return "the cell is empty"
        if number is not None:
            return f"{cell[:40]!r} is not finite"
        comma = self._layout.decimal == "." and _NUMBER.fullmatch(cell.replace(",", "."))
        return f"{cell[:40]!r} is not a number{': see --decimal' if comma else ''}"


def pick(columns: Sequence[str], names: Sequence[str] | None, count: int) -> list[int]:
    """Indices of the columns asked for, in that order. Raises Misconfigured, naming those there are."""
    picked: list[int] = []
    for wanted in columns:
        span = _RANGE.fullmatch(wanted)
        if names is not None and wanted in names:
            if names.count(wanted) > 1:
                raise Misconfigured(f"--columns {wanted}: several columns have this name; use their numbers")
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
