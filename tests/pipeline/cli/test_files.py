"""Files of the kinds that people have: each gives the points that a person sees in it, or says why it does not."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tempfile
import zipfile
from dataclasses import dataclass

import pytest

from pipeline.cli.lines import Lines
from pipeline.cli.sheet import Layout, Sheet
from pipeline.errors import Misconfigured

Points = list[list[float]]
TWO: Points = [[1.5, 2], [3, 4]]
COMMAS = Layout()


@dataclass(frozen=True)
class File:
    """`bad`: what is said of rows that are not used, where such rows are skipped."""

    content: bytes
    points: Points
    layout: Layout = COMMAS
    bad: tuple[str, ...] = ()


def zipped(content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("points.csv", content)
    return out.getvalue()


GOOD = {
    "a plain file with a header": File(b"x,y\n1.5,2\n3,4\n", TWO),
    "numbers alone": File(b"1.5,2\n3,4\n", TWO),
    "no line end at the end": File(b"x,y\n1.5,2\n3,4", TWO),
    "from Windows": File(b"\xef\xbb\xbfx,y\r\n1.5,2\r\n3,4\r\n", TWO),
    "from an old Macintosh": File(b"x,y\r1.5,2\r3,4\r", TWO),
    "a spreadsheet's Unicode text": File("x\ty\r\n1.5\t2\r\n3\t4\r\n".encode("utf-16"), TWO, Layout("\t")),
    "gzip": File(gzip.compress(b"x,y\n1.5,2\n3,4\n"), TWO),
    "bzip2": File(bz2.compress(b"x,y\n1.5,2\n3,4\n"), TWO),
    "xz": File(lzma.compress(b"x,y\n1.5,2\n3,4\n"), TWO),
    "two gzip files joined": File(gzip.compress(b"x,y\n1.5,2\n") + gzip.compress(b"3,4\n"), TWO),
    "a spreadsheet in German": File(b"x;y\n1,5;2\n3;4\n", TWO, Layout(";", decimal=",")),
    "every cell quoted": File(b'"x","y"\n"1.5","2"\n"3","4"\n', TWO),
    "notes over several lines": File(b'x,y,note\n1.5,2,"a\nb"\n3,4,"c ""d"""\n', TWO, Layout(columns=("x", "y"))),
    "an index by pandas, columns chosen": File(b",x,y\n0,1.5,2\n1,3,4\n", TWO, Layout(columns=("x", "y"))),
    "blank lines between": File(b"\nx,y\n\n1.5,2\n  \n3,4\n\n", TWO),
    "blanks around cells": File(b"x, y\n 1.5 , 2\n3, 4 \n", TWO),
    "numbers of science": File(b"x,y\n1.5e0,2E+00\n.3e1,4.\n", TWO),
    "a gap": File(b"x,y\n1.5,2\n,7\n3,4\n", TWO, bad=("line 3, column 1 (x): the cell is empty",)),
    "a missing value by R": File(b"x,y\n1.5,2\n3,NA\n3,4\n", TWO, bad=("line 3, column 2 (y): 'NA' is not a number",)),
    "a missing value by pandas": File(
        b"x,y\n1.5,2\n3,nan\n3,4\n", TWO, bad=("line 3, column 2 (y): 'nan' is not a number",)
    ),
    "thousands in Python": File(
        b"x,y\n1_000,2\n1.5,2\n3,4\n", TWO, bad=("line 2, column 1 (x): '1_000' is not a number",)
    ),
    "a sum below": File(b"x,y\n1.5,2\n3,4\nsum,6\n", TWO, bad=("line 4, column 1 (x): 'sum' is not a number",)),
    "a row that was cut": File(b"x,y\n1.5,2\n3,4\n5", TWO, bad=("line 4: 1 cells where the header (line 1) has 2",)),
    "row names by R": File(
        b'"x","y"\n"1",1.5,2\n"2",3,4\n',
        [],
        bad=("line 2: 3 cells where the header (line 1) has 2", "line 3: 3 cells where the header (line 1) has 2"),
    ),
    "decimal commas between commas": File(
        b"x,y\n1,5,2\n3,0,4\n",
        [],
        bad=("line 2: 3 cells where the header (line 1) has 2", "line 3: 3 cells where the header (line 1) has 2"),
    ),
    "nothing": File(b"", []),
    "a header alone": File(b"x,y\n", []),
}

REFUSED = {
    "an index by pandas": (b",x,y\n0,1.5,2\n", "column 1 of the header has no name"),
    "a first row with a gap": (b"1.5,NA\n3,4\n", "say --header if it names the columns, else --no-header"),
    "a ZIP archive": (zipped(b"x,y\n1,2\n"), "a ZIP archive or a spreadsheet: save it as CSV"),
    "a Parquet file": (b"PAR1\x15\x04\x15\x08", "a Parquet file: convert it to CSV"),
    "UTF-16 that does not say so": ("x,y\n1,2\n".encode("utf-16-le"), "NUL characters"),
    "half a gzip": (gzip.compress(b"x,y\n1.5,2\n" * 1000)[:40], "gzip and ends in the middle"),
    "a picture": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "the input is no text"),
}


def read(content: bytes, layout: Layout) -> tuple[Points, list[str]]:
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.seek(0)
        lines, sheet = Lines(file.fileno()), Sheet(layout, skips=True)
        points: Points = []
        bad: list[str] = []
        while not lines.ended:
            taken = lines.take(2, None)
            some, wrong = sheet.read(taken, final=lines.ended)
            points += some.tolist()
            bad += map(str, wrong)
    return points, bad


@pytest.mark.parametrize("name", GOOD)
def test_a_file_gives_its_points_and_says_which_rows_it_does_not_use(name: str) -> None:
    file = GOOD[name]
    assert read(file.content, file.layout) == (file.points, list(file.bad))


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_might_be_misread_is_refused_with_what_to_do(name: str) -> None:
    content, said = REFUSED[name]
    with pytest.raises(Misconfigured, match=said):
        read(content, Layout())
