"""A batch is read whole, whatever bytes its headers are named by."""

from __future__ import annotations

import pytest
from aiokafka.consumer import fetcher
from aiokafka.record.memory_records import MemoryRecords
from hypothesis import given
from hypothesis import strategies as st

from tests.doubles.batch import GZIP, LZ4, SNAPPY, UNCOMPRESSED, ZSTD, Entry, batch
from topologies import batches
from topologies.batches import Batches

HEADERS = st.lists(st.tuples(st.binary(max_size=4), st.none() | st.binary(max_size=4)), max_size=3)
ENTRIES = st.tuples(st.none() | st.binary(max_size=4), st.none() | st.binary(max_size=9), HEADERS)
CODECS = st.sampled_from([UNCOMPRESSED, GZIP, SNAPPY, LZ4, ZSTD])


def read(fetched: bytes) -> list[tuple[int, Entry]]:
    records = Batches(fetched)
    found: list[tuple[int, Entry]] = []
    assert records.size_in_bytes() == len(fetched)
    while records.has_next():
        made = records.next_batch()
        assert made is not None
        assert made.validate_crc()
        for record in made:
            headers = tuple((name.encode(), value) for name, value in record.headers)
            found.append((record.offset, (record.key, record.value, headers)))
        assert made.next_offset == found[-1][0] + 1
    assert records.next_batch() is None
    return found


@given(st.lists(st.tuples(st.lists(ENTRIES, min_size=1, max_size=4), CODECS), min_size=1, max_size=3))
def test_every_record_is_read_once_with_its_key_value_and_headers(made: list[tuple[list[Entry], int]]) -> None:
    fetched = b""
    wanted: list[tuple[int, Entry]] = []
    for entries, compression in made:
        fetched += batch(entries, base=len(wanted), compression=compression)
        for key, value, headers in entries:
            shown = tuple((name.decode("utf-8", "backslashreplace").encode(), content) for name, content in headers)
            wanted.append((len(wanted), (key, value, shown)))
    assert read(fetched) == wanted


def test_aiokafka_would_give_up_over_such_a_name() -> None:
    """Should this fail one day, `batches` can go."""
    fetched = batch([(b"k", b"v", [(b"\xff", b"")])])
    with pytest.raises(UnicodeDecodeError):
        list(MemoryRecords(fetched).next_batch())


def test_consumers_read_so_once_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetcher, "MemoryRecords", MemoryRecords)
    batches.install()
    assert fetcher.MemoryRecords is Batches
