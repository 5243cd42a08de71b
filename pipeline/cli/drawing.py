"""How tables and text from the log are put on a screen."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

WIDE = 240
"""Columns where nobody looks: a pipe cuts no cell short."""


def console(*, stderr: bool = False) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, highlight=False, width=None if stream.isatty() else WIDE)


def table(*columns: str, right: Sequence[str] = ()) -> Table:
    """A plain table; the columns in `right` are aligned there and never folded."""
    drawn = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for name in columns:
        drawn.add_column(name, justify="right" if name in right else "left", no_wrap=name in right, overflow="fold")
    return drawn


def printable(text: str) -> str:
    """Without what a terminal would obey: anybody may write to the log."""
    if text.isprintable():
        return text
    return "".join(it if it.isprintable() else it.encode("unicode_escape").decode() for it in text)
