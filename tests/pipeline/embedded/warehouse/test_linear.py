"""Reading a request costs in proportion to its length, whatever is in it."""

from __future__ import annotations

import time
import zlib
from functools import cache

import pytest
import zstandard

from pipeline.embedded.warehouse.compression import decoded
from pipeline.embedded.warehouse.errors import WarehouseError
from pipeline.embedded.warehouse.refusals import check
from pipeline.embedded.warehouse.statement import by_own_query_id, read_statement
from pipeline.embedded.warehouse.users import Role

SIZE = 64 << 10

# Of some a quarter of a mebibyte took minutes where a reader looked at all it had read for each word.
WORST = {
    "words of an INSERT": "INSERT INTO t" + " a" * (SIZE // 2),
    "calls of values()": "SELECT " + ",values(1)" * (SIZE // 10),
    "nested calls of values()": "SELECT * FROM " + "values((" * (SIZE // 8),
    "structures of values()": "SELECT " + ",values('a Int8', 1)" * (SIZE // 20),
    "heredocs that never end": "SELECT " + " ".join(f"$a{number}$" for number in range(SIZE // 9)),
    "dollars": "SELECT " + "$" * SIZE,
    "quotes": "SELECT " + "'" * (SIZE + 1),
    "escapes": "SELECT '" + "\\'" * (SIZE // 2),
    "comments within comments": "SELECT " + "/*" * (SIZE // 2),
    "line comments": "SELECT 1 " + "--\n" * (SIZE // 3),
    "words above ASCII": "SELECT " + "é" * (SIZE // 2),
    "white space above ASCII": "SELECT " + "a\u00a0" * (SIZE // 3),
    "brackets": "SELECT " + "(" * SIZE,
    "sources of a dictionary": "CREATE DICTIONARY d " + "SOURCE(NULL " * (SIZE // 12),
    "engines": "CREATE TABLE t " + "ENGINE = Log " * (SIZE // 13),
    "query ids": "KILL QUERY WHERE 1 " + "query_id " * (SIZE // 9),
    "system tables": "SELECT " + "system.one," * (SIZE // 11),
    "settings": "SELECT 1 SETTINGS " + "a=1," * (SIZE // 4),
    "one long setting": f"SELECT 1 SETTINGS additional_{'filter' * (SIZE // 6)}\n = 1",
}


def _read(sql: bytes, role: Role) -> None:
    try:
        statement = read_statement(sql)
        check(statement, role)
        by_own_query_id(statement)
    except WarehouseError:
        return


def _cost(sql: bytes, role: Role) -> float:
    """The processor's time for it, on this thread."""
    started = time.thread_time()
    _read(sql, role)
    return time.thread_time() - started


@cache
def _usual() -> float:
    return min(_cost(("SELECT " + "a+" * (SIZE // 2)).encode(), Role.OWNER) for _ in range(3))


@pytest.mark.parametrize("sql", WORST.values(), ids=WORST)
def test_a_statement_is_read_in_time_that_grows_as_it_does(sql: str) -> None:
    for role in Role:
        assert _cost(sql.encode(), role) < 8 * _usual()


def test_a_statement_of_too_many_words_is_refused() -> None:
    with pytest.raises(WarehouseError) as caught:
        read_statement(b"SELECT " + b"a," * 150_000)
    assert (caught.value.code, caught.value.status) == (264, 413)


def test_of_a_bomb_no_more_than_some_mebibytes_come_out_at_once() -> None:
    """795 bytes were 25 MiB in one piece, 4 KiB were 128."""
    bomb = zstandard.ZstdCompressor(level=19).compress(bytes(256 << 20))
    assert len(bomb) < 10_000
    pieces = decoded("zstd", [bomb], 1 << 30)
    sizes = [len(piece) for piece in pieces]
    assert sum(sizes) == 256 << 20
    assert max(sizes) <= 8 << 20


def test_a_frame_that_claims_more_memory_than_decoders_must_have_is_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters.from_level(3, window_log=27)
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    frame = compressor.compress(b"x" * 1000) + compressor.flush()
    with pytest.raises(WarehouseError) as caught:
        list(decoded("zstd", [frame], 1 << 30))
    assert caught.value.code == 271


def test_a_body_of_nothing_but_empty_frames_is_refused() -> None:
    empty = zlib.compress(b"")
    started = time.thread_time()
    with pytest.raises(WarehouseError) as caught:
        list(decoded("deflate", [empty * 200_000], 1 << 30))
    assert caught.value.code == 271
    assert time.thread_time() - started < 10
