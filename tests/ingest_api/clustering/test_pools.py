"""Points linger for each other: few batches, in their order, never more than one record may hold."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ingest_api.clustering.checks import check_metadata
from ingest_api.clustering.pools import LINGER_SECONDS, MAX_LINGERING, Drop, Pools, together
from ingest_api.clustering.submit import Work, records_of
from pipeline.clustering.check import check


def drop(number: int, dimension: int = 2, metadata: dict[str, str] | None = None) -> Drop:
    return Drop(number, f"p{number}", np.full((1, dimension), float(number)), metadata or {})


class Poured:
    """What pools have poured."""

    def __init__(self) -> None:
        self.batches: list[tuple[str, list[int]]] = []
        self.pools = Pools(self._pour)

    def _pour(self, stream: str, drops: Sequence[Drop]) -> None:
        self.batches.append((stream, [drop.number for drop in drops]))


async def test_points_that_come_together_go_together_by_stream_and_dimension() -> None:
    poured = Poured()
    for number in range(6):
        poured.pools.add("ab"[number % 2], drop(number))
    poured.pools.add("a", drop(6, dimension=3))
    assert poured.batches == []
    await asyncio.sleep(LINGER_SECONDS * 20)
    assert poured.batches == [("a", [0, 2, 4]), ("b", [1, 3, 5]), ("a", [6])]
    assert len(poured.pools) == 0


async def test_a_full_pool_does_not_linger() -> None:
    poured = Poured()
    for number in range(MAX_LINGERING + 1):
        poured.pools.add("a", drop(number))
    assert [len(numbers) for _, numbers in poured.batches] == [MAX_LINGERING]
    poured.pools.empty()
    assert poured.batches[1] == ("a", [MAX_LINGERING])


async def test_the_pools_of_one_stream_can_be_emptied_alone() -> None:
    poured = Poured()
    poured.pools.add("a", drop(1))
    poured.pools.add("b", drop(2))
    poured.pools.empty("a")
    assert poured.batches == [("a", [1])]
    poured.pools.empty()
    await asyncio.sleep(LINGER_SECONDS * 4)
    assert poured.batches == [("a", [1]), ("b", [2])]


@given(
    st.lists(
        st.none() | st.dictionaries(st.text(max_size=4), st.text(max_size=3000), max_size=3), min_size=1, max_size=30
    )
)
async def test_a_pool_never_holds_more_metadata_than_a_record_may(given_metadata: list[dict[str, str] | None]) -> None:
    batches: list[Sequence[Drop]] = []
    pools = Pools(lambda _, drops: batches.append(drops))
    sent = 0
    for given_ in given_metadata:
        metadata, errors = check_metadata(given_)
        if not errors:
            pools.add("a", drop(sent, metadata=metadata))
            sent += 1
    pools.empty()
    assert [drop.number for drops in batches for drop in drops] == list(range(sent))
    for drops in batches:
        points = np.concatenate([drop.values for drop in drops])
        [record] = records_of(Work("s", points, "key:me", metadata=together(drops)), 0)
        assert check(record) is None


def test_metadata_that_all_points_share_is_that_of_their_batch() -> None:
    assert together([drop(1, metadata={"a": "b"}), drop(2, metadata={"a": "b"})]) == {"a": "b"}


def test_metadata_that_differs_is_kept_point_by_point() -> None:
    told = together([drop(1, metadata={"a": "b"}), drop(2)])
    assert msgspec.json.decode(told["points"]) == [{"a": "b"}, {}]
