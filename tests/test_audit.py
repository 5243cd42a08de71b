"""What `make audit` makes of pip-audit's reports: silence about a library is never said to be its innocence."""

from __future__ import annotations

from typing import Any

from tests.audit import FOUND, LOCKS, ROOT, UNTOLD, told

CLEAN: dict[str, Any] = {"name": "anyio", "version": "4.12.0", "vulns": []}
FAULTY: dict[str, Any] = {
    "name": "jinja2",
    "version": "3.1.2",
    "vulns": [{"id": "PYSEC-2024-1", "fix_versions": ["3.1.3"], "aliases": [], "description": "…"}],
}
PASSED_OVER: dict[str, Any] = {"name": "numpy", "skip_reason": "Dependency not found on PyPI and could not be audited"}


def test_faults_that_are_known_are_named_and_fail() -> None:
    status, lines = told("a.lock", {"dependencies": [CLEAN, FAULTY]})
    assert (status, lines) == (FOUND, ["a.lock: jinja2 3.1.2: PYSEC-2024-1, mended in 3.1.3"])


def test_an_index_that_does_not_tell_is_not_taken_for_a_clean_lock() -> None:
    status, [line] = told("a.lock", {"dependencies": [CLEAN, PASSED_OVER]})
    assert status == UNTOLD
    assert line.startswith("a.lock: not known of 1 of 2 libraries (numpy): ")


def test_a_fault_weighs_more_than_what_is_not_told() -> None:
    status, lines = told("a.lock", {"dependencies": [PASSED_OVER, FAULTY]})
    assert (status, len(lines)) == (FOUND, 2)


def test_a_lock_without_known_faults_passes() -> None:
    assert told("a.lock", {"dependencies": [CLEAN]}) == (0, ["a.lock: no faults are known in 1 libraries"])


def test_every_lock_is_asked_about() -> None:
    assert {path.name for path in ROOT.glob("*.lock")} == set(LOCKS)
