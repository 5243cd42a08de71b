"""CSV to points, and the cell that is to blame."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.cli.sheet import Layout, Sheet, pick
from pipeline.errors import Misconfigured


def read(text: str, layout: Layout | None = None, *, skips: bool = False) -> tuple[list[list[float]], list[str]]:
    points, bad = Sheet(layout or Layout(), skips=skips).read(text.split("\n"), final=True)
    return points.tolist(), [str(row) for row in bad]


def test_a_first_row_that_is_no_numbers_is_a_header() -> None:
    assert read("x,y\n1,2\n") == ([[1, 2]], [])
    assert read("1,2\n3,4\n") == ([[1, 2], [3, 4]], [])


def test_what_is_told_of_the_header_is_believed() -> None:
    assert read("1,2\n3,4\n", Layout(header=True)) == ([[3, 4]], [])
    assert read("x,2\n", Layout(header=False))[1] == ["line 1, column 1: 'x' is not a number"]


def test_a_refused_cell_is_named_by_line_and_column() -> None:
    assert read("pressure,flow\n1,2\n\n3,high\n") == ([[1, 2]], ["line 4, column 2 (flow): 'high' is not a number"])
    assert read("1,1e999")[1] == ["line 1, column 2: '1e999' is not finite"]
    assert read("1,2\n1,")[1] == ["line 2, column 2: the cell is empty"]
    assert read("a,b\n1,2,3")[1] == ["line 2: 3 cells where the header (line 1) has 2"]
    assert read("1,2\n1,2,3")[1] == ["line 2: 3 cells where line 1 has 2"]


def test_reading_ends_at_a_bad_row_unless_those_are_skipped() -> None:
    assert read("1\nx\n2\n")[0] == [[1]]
    assert read("1\nx\n2\n", skips=True) == ([[1], [2]], ["line 2, column 1: 'x' is not a number"])


def test_columns_are_picked_by_name_number_and_range_in_the_order_given() -> None:
    text = "a,b,c,kind\n1,2,3,red\n"
    assert read(text, Layout(columns=("c", "a")))[0] == [[3, 1]]
    assert read(text, Layout(columns=("2-3", "1")))[0] == [[2, 3, 1]]
    assert read(text, Layout(columns=("a", "kind")))[1] == ["line 2, column 4 (kind): 'red' is not a number"]


@pytest.mark.parametrize("wanted", ["0", "4", "3-2", "2-9", "nobody", "1-"])
def test_columns_that_are_not_there_are_told_with_those_that_are(wanted: str) -> None:
    with pytest.raises(Misconfigured, match=r"the columns are 1 to 3|there are a, b, c"):
        pick([wanted], ["a", "b", "c"], 3)


def test_more_columns_than_a_point_may_have_are_refused() -> None:
    with pytest.raises(Misconfigured, match="at most 1000 numbers"):
        read(",".join(["1"] * 1001))


def test_quoted_cells_and_other_delimiters_are_read() -> None:
    assert read('"x, in m","y"\n"1.5", 2\n') == ([[1.5, 2]], [])
    assert read("1;2\n", Layout(delimiter=";")) == ([[1, 2]], [])


@given(st.integers(1, 5).flatmap(lambda width: st.lists(
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=width, max_size=width), min_size=1
)))  # fmt: skip
def test_what_the_csv_module_writes_is_read_bit_for_bit(rows: list[list[float]]) -> None:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    points, bad = Sheet(Layout(header=False)).read(out.getvalue().split("\n"), final=True)
    assert not bad
    assert points.tobytes() == np.array(rows, np.float64).tobytes()


NO_NUMBERS = ["1_000", "nan", "NaN", "inf", "-Infinity", "١٢", "１２", "0x10", "1e", "--1", "1 2", "+"]
TEXT = st.text(st.characters(exclude_characters="\n\r") | st.sampled_from('",1.'))


@pytest.mark.parametrize("cell", NO_NUMBERS)
def test_what_python_or_nobody_calls_a_number_is_none(cell: str) -> None:
    assert read(f"1\n{cell}\n")[1] == [f"line 2, column 1: {cell!r} is not a number"]


@pytest.mark.parametrize("cell", ["1", "-1.5", "+.5", "5.", "1e3", "1.5E-3", " 7 ", "0001"])
def test_what_people_call_a_number_is_one(cell: str) -> None:
    assert read(f"1\n{cell}\n") == ([[1], [float(cell)]], [])


def test_a_decimal_comma_is_read_where_it_is_said_and_suspected_where_it_is_not() -> None:
    assert read("x;y\n1,5;2\n", Layout(delimiter=";", decimal=",")) == ([[1.5, 2]], [])
    assert read("1.5;2\n", Layout(delimiter=";", decimal=",", header=False))[1] == [
        "line 1, column 1: '1.5' is not a number"
    ]
    assert read("x;y\n1,5;2\n", Layout(delimiter=";"))[1] == [
        "line 2, column 1 (x): '1,5' is not a number: see --decimal"
    ]


def test_a_first_row_with_a_gap_is_not_taken_for_a_header() -> None:
    for first in ("NA,3", ",3", "3,"):
        with pytest.raises(Misconfigured, match="say --header if it names the columns, else --no-header"):
            read(f"{first}\n1,2\n")
    assert read("year,2019\n1,2\n", Layout(header=True)) == ([[1, 2]], [])
    assert read("1,red\n2,blue\n", Layout(columns=("1",))) == ([[1], [2]], [])
    assert read("2019,kind\n1,2\n", Layout(columns=("kind",))) == ([[2]], [])


def test_a_column_without_a_name_is_not_taken_for_a_number_of_the_point() -> None:
    with pytest.raises(Misconfigured, match="column 1 of the header has no name"):
        read(",x,y\n0,1.5,2.5\n")
    assert read(",x,y\n0,1.5,2.5\n", Layout(columns=("x", "y"))) == ([[1.5, 2.5]], [])


def test_a_name_that_two_columns_have_is_refused() -> None:
    with pytest.raises(Misconfigured, match="--columns x: several columns have this name"):
        read("x,x\n1,2\n", Layout(columns=("x",)))


def test_a_quoted_cell_may_go_on_over_lines_and_rows_are_counted_by_where_they_begin() -> None:
    assert read('x,note\n1,"two\nlines, and ""quotes"""\n2,oh\nhigh,oh\n', Layout(columns=("x",))) == (
        [[1], [2]],
        ["line 5, column 1 (x): 'high' is not a number"],
    )


def test_a_quote_that_is_never_closed_or_closed_too_early_is_told() -> None:
    assert read('x\n1\n"2\n3\n')[1] == ["line 3: unexpected end of data"]
    assert read('x,y\n1,"2"3\n')[1] == ["line 2: ',' expected after '\"'"]


def test_what_was_read_can_be_told() -> None:
    sheet = Sheet(Layout(columns=("c", "a")), skips=True)
    sheet.read(["a,b,c", "1,2,3", "", "4,5", "7,8,9"], final=True)
    assert (sheet.rows, sheet.columns, sheet.dimension) == (3, ["c", "a"], 2)


@given(
    st.lists(TEXT, max_size=20),
    st.integers(1, 4),
)
def test_any_text_gives_finite_points_or_a_reason_whatever_lines_come_together(lines: list[str], run: int) -> None:
    whole, parts = Sheet(Layout(header=False), skips=True), Sheet(Layout(header=False), skips=True)
    points, bad = whole.read(lines, final=True)
    pieces = [parts.read(lines[start : start + run]) for start in range(0, len(lines), run)]
    pieces.append(parts.read([], final=True))
    assert np.isfinite(points).all()
    assert [row for part, _ in pieces for row in part.tolist()] == points.tolist()
    assert [str(row) for _, part in pieces for row in part] == [str(row) for row in bad]
