"""Files and functions stay small enough to be read in one go, and say by their names what they are."""

from __future__ import annotations

import ast
import re

from tests.house.house import ROOT, functions, modules, tree

LONGEST_FILE = 300
LONGEST_FUNCTION = 60
LONG_FILES: dict[str, str] = {}
"""Path: the reason why it is longer."""
SAYING_NOTHING = re.compile(r"(^|_)(utils?|helpers?|common|misc|base|managers?|handlers?|services?|stuff|lib)(_|$)")


def test_no_file_is_too_long_to_read() -> None:
    long = {
        str(path): lines
        for path in modules()
        if (lines := len(_lines(str(path)))) > LONGEST_FILE and str(path) not in LONG_FILES
    }
    assert long == {}


def test_no_function_is_too_long_to_read() -> None:
    long = {
        f"{path}:{function.name}": length
        for path in modules()
        for function in functions(path)
        if (length := (function.end_lineno or 0) - function.lineno + 1) > LONGEST_FUNCTION
    }
    assert long == {}


def test_no_module_or_class_has_a_name_that_says_nothing() -> None:
    files = [str(path) for path in modules() if any(SAYING_NOTHING.search(part) for part in path.with_suffix("").parts)]
    classes = [
        f"{path}:{node.name}"
        for path in modules()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ClassDef) and re.search("(Manager|Handler|Helper|Service|Utils?)$", node.name)
    ]
    assert files == []
    assert classes == []


def test_every_module_opens_by_saying_what_it_is_for() -> None:
    silent = [str(path) for path in modules() if not ast.get_docstring(tree(path))]
    assert [path for path in silent if not path.endswith("__init__.py")] == []


def _lines(path: str) -> list[str]:
    return (ROOT / path).read_text("utf-8").splitlines()
