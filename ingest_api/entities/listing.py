"""Lists of entities out of a view: filtered, sorted, a page at a time."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from ingest_api.problems import FieldError, Invalid
from schemas.entity import Entity

E = TypeVar("E", bound=Entity)
MAX_PAGE = 100
MAX_DEPTH = 10_000
"""Entities before a page's end: who wants more filters."""


@dataclass(frozen=True, slots=True)
class Page(Generic[E]):
    """`number` counts from 1, `total` is of all that met the filter."""

    entities: Sequence[E]
    number: int
    size: int
    total: int

    @property
    def pages(self) -> int:
        return -(-self.total // self.size)

    @property
    def pagination(self) -> dict[str, int]:
        """As the APIs write it."""
        return {"page": self.number, "limit": self.size, "total": self.total, "pages": self.pages}


def page_of(
    entities: Iterable[E],
    *,
    number: int,
    size: int,
    where: Callable[[E], bool],
    sort: Callable[[E], Any],
    descending: bool = False,
) -> Page[E]:
    """O(n) for the filter and O(n log k) for the k entities up to the page's end. Raises Invalid beyond MAX_DEPTH."""
    depth = number * size
    if depth > MAX_DEPTH:
        raise Invalid([FieldError("page", f"A list can be read as far as its {MAX_DEPTH}th entry; filter it")])
    found = [entity for entity in entities if where(entity)]
    chosen = (heapq.nlargest if descending else heapq.nsmallest)(depth, found, key=sort)
    return Page(chosen[depth - size :], number, size, len(found))
