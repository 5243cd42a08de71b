"""The documents as tests read them: their text, code, links and tables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_FENCE = re.compile(r"^```(?P<info>[^\n]*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)


def text_of(document: Path) -> str:
    return document.read_text("utf-8")


def name_of(document: Path) -> str:
    return str(document.relative_to(ROOT))


def blocks(text: str) -> Iterator[tuple[str, str]]:
    """(info string, content) of each fenced block."""
    for found in _FENCE.finditer(text):
        yield found["info"].strip(), found["text"]


def spans(text: str) -> list[str]:
    """Inline code, outside fenced blocks."""
    return re.findall(r"`([^`\n]+)`", _FENCE.sub("", text))


def code(text: str) -> list[str]:
    """All code: inline, and the lines of shell blocks with their continuations joined; indented blocks too."""
    lines = [
        line
        for info, block in blocks(text)
        if info.startswith("sh")
        for line in block.replace("\\\n", " ").splitlines()
    ]
    indented = re.findall(r"^    (\S.*)$", _FENCE.sub("", text), re.MULTILINE)
    return [*spans(text), *lines, *indented]


def links(text: str) -> list[str]:
    """Targets of links, outside fenced blocks."""
    return re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", _FENCE.sub("", text))


def anchors(text: str) -> set[str]:
    """Those of the headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def rows(text: str) -> Iterator[list[str]]:
    """The cells of each table row; headings and rules among them."""
    for line in text.splitlines():
        if line.lstrip().startswith("|"):
            yield [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]
