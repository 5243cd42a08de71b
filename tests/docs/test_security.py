"""The evidence that the document of security names is there."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.docs.documents import ROOT, rows, spans, text_of

TABLES = list(rows(text_of(ROOT / "docs" / "security.md")))
CHECKED = [cells for cells in TABLES if re.fullmatch(r"\d+\.\d+\.\d+", cells[0])]
BESIDE = [cells for cells in TABLES if cells not in CHECKED and "::" in cells[-1]]


@cache
def defined_in(path: Path) -> set[str]:
    found = ast.walk(ast.parse(path.read_text("utf-8")))
    return {node.name for node in found if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_the_table_is_read() -> None:
    assert len(CHECKED) > 80
    numbers = [cells[0] for cells in CHECKED]
    assert len(set(numbers)) == len(numbers)
    assert numbers == sorted(numbers, key=lambda number: [int(part) for part in number.split(".")])


@pytest.mark.parametrize("cells", CHECKED, ids=lambda cells: cells[0])
def test_what_is_claimed_has_evidence_that_is_there(cells: list[str]) -> None:
    _, _, verdict, how, evidence = cells
    assert verdict in ("met", "in part", "**not met**")
    assert verdict == "met" or how or verdict == "**not met**"
    assert spans(evidence) or verdict != "met"
    _is_there(evidence)


@pytest.mark.parametrize("cells", BESIDE, ids=lambda cells: cells[0])
def test_what_is_claimed_beside_the_standard_has_evidence_too(cells: list[str]) -> None:
    _is_there(cells[-1])


def _is_there(evidence: str) -> None:
    for named in spans(evidence):
        path, _, test = named.partition("::")
        assert (ROOT / path).is_file(), path
        assert not test or (test.startswith("test_") and test in defined_in(ROOT / path)), named
