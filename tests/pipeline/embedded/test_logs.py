"""A log is bounded, and its end can be read and followed."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from pipeline.embedded.logs import PartLog, follow, last_lines, names


def test_a_log_never_takes_more_than_its_bound(tmp_path: Path) -> None:
    log = PartLog(tmp_path, "api", max_bytes=1000, kept=2)
    for number in range(1000):
        log.write(b"line %06d\n" % number)
    log.close()
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == ["api.log", "api.log.1", "api.log.2"]
    assert all(path.stat().st_size <= 1000 for path in tmp_path.iterdir())
    assert last_lines(tmp_path / "api.log", 1) == ["line 000999"]


def test_rotated_files_hold_what_came_just_before(tmp_path: Path) -> None:
    log = PartLog(tmp_path, "api", max_bytes=30, kept=2)
    for number in range(9):
        log.write(b"line %04d\n" % number)
    log.close()
    kept = [line for name in ("api.log.2", "api.log.1", "api.log") for line in last_lines(tmp_path / name, 99)]
    assert kept == [f"line {number:04d}" for number in range(9)]


def test_a_log_goes_on_where_an_earlier_run_ended(tmp_path: Path) -> None:
    for word in (b"first\n", b"second\n"):
        log = PartLog(tmp_path, "api")
        log.write(word)
        log.close()
    assert last_lines(tmp_path / "api.log", 5) == ["first", "second"]
    assert names(tmp_path) == ["api"]


def test_the_last_lines_are_the_last(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"1\n2\r\n\xff3")
    assert last_lines(path, 2) == ["2", "\N{REPLACEMENT CHARACTER}3"]
    assert last_lines(path, 0) == []


def test_following_loses_no_line_over_rotations(tmp_path: Path) -> None:
    log = PartLog(tmp_path, "api", max_bytes=50, kept=3)
    log.write(b"before\n")
    number = iter(range(100))

    def write_one_more(_: float) -> None:
        log.write(b"line %d\n" % next(number))

    lines = follow(tmp_path / "api.log", pause=write_one_more)
    assert list(islice(lines, 40)) == [f"line {it}" for it in range(40)]
    log.close()
