"""The engine's names of types taken apart: `Tuple(a Int8, b Array(String))` is Tuple of two fields."""

from __future__ import annotations

import re
from collections.abc import Iterable

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# What a comma or bracket within counts for nothing: strings and quoted names.
_QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`", re.DOTALL)
_NAME = re.compile(r"(`(?:[^`\\]|\\.)*`|[^\s(),`']+)\s+(?=\S)", re.DOTALL)


def parsed(kind: str) -> tuple[str, list[str]]:
    """A type's own name, and its arguments as they are written."""
    name = _WORD.match(kind)
    if name is None:
        return "", []
    within = kind[name.end() :].strip()
    return name[0], _arguments(within[1:-1]) if within.startswith("(") else []


def fields(arguments: Iterable[str]) -> list[tuple[str, str]]:
    """Name ("" where it has none) and type of each element of a tuple."""
    named = []
    for argument in arguments:
        name = _NAME.match(argument)
        named.append((name[1].strip("`"), argument[name.end() :]) if name else ("", argument))
    return named


def _arguments(text: str) -> list[str]:
    """Cut at the commas outside brackets and quotes."""
    cuts, depth, at = [0], 0, 0
    while at < len(text):
        quoted = _QUOTED.match(text, at)
        if quoted:
            at = quoted.end()
            continue
        depth += (text[at] == "(") - (text[at] == ")")
        if depth == 0 and text[at] == ",":
            cuts.append(at + 1)
        at += 1
    ends = [cut - 1 for cut in cuts[1:]] + [len(text)]
    return [text[start:end].strip() for start, end in zip(cuts, ends, strict=True)] if text.strip() else []
