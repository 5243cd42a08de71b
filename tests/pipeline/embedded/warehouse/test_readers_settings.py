"""What a reader may set: harmless things and lower limits; the engine refuses the rest, and system.settings says so."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError, ProgrammingError

from pipeline.embedded.warehouse import profile
from pipeline.embedded.warehouse.refusals import is_refused_setting
from pipeline.embedded.warehouse.settings import Limits
from tests.pipeline.embedded.warehouse.running import ANALYST, Answer, Warehouse

BOUNDED = {
    "max_memory_usage": Limits().for_analyst().analyst_memory,
    "max_result_rows": Limits().analyst_rows,
    "max_result_bytes": Limits().for_analyst().result,
    "max_threads": os.cpu_count() or 1,
    "max_block_size": 65_409,
    "max_query_size": 262_144,
    "max_ast_elements": 50_000,
}
READONLY, VIOLATION, DENIED = 164, 452, 497


def _ask(warehouse: Warehouse, sql: str, **settings: Any) -> Answer:
    told: dict[str, Any] = {name: str(value) for name, value in settings.items()}
    return warehouse.ask(sql, user=ANALYST, **told)


def _listed(warehouse: Warehouse) -> dict[str, tuple[str, bool]]:
    """Each setting's value, and whether the reader is told that he may change it."""
    lines = _ask(warehouse, "SELECT name, value, readonly FROM system.settings FORMAT JSONEachRow").text.splitlines()
    return {row["name"]: (row["value"], not row["readonly"]) for row in map(json.loads, lines)}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("async_insert", "0"),
        ("wait_for_async_insert", "0"),
        ("date_time_input_format", "basic"),
        ("cast_string_to_dynamic_use_inference", "1"),
        ("output_format_json_quote_64bit_integers", "1"),
        ("session_timezone", "Europe/Berlin"),
        ("join_use_nulls", "1"),
        ("max_rows_to_read", "100"),
        ("send_progress_in_http_headers", "1"),
        ("cancel_http_readonly_queries_on_client_close", "1"),
        ("enable_http_compression", "0"),
        ("readonly", "1"),
        ("readonly", "2"),
    ],
)
def test_what_does_no_harm_passes(warehouse: Warehouse, name: str, value: str) -> None:
    assert _ask(warehouse, "SELECT 1", **{name: value}).text == "1\n"


@pytest.mark.parametrize("name", ["enable_analyzer", "max_memory_usage", "insert_quorum", "log_queries", "allow_ddl"])
def test_a_value_in_force_passes(warehouse: Warehouse, name: str) -> None:
    value, _ = _listed(warehouse)[name]
    assert _ask(warehouse, "SELECT 1", **{name: value}).text == "1\n"
    assert _ask(warehouse, f"SELECT 1 SETTINGS {name} = '{value}'").text == "1\n"


@pytest.mark.parametrize("name", BOUNDED)
def test_a_limit_is_lowered_and_never_raised(warehouse: Warehouse, name: str) -> None:
    bound = BOUNDED[name]
    lower = max(1, bound // 2)
    in_force = f"SELECT toUInt64(getSetting('{name}'))"
    assert _ask(warehouse, in_force, **{name: lower}).text == f"{lower}\n"
    for beyond in (bound + 1, 1 << 62):
        for answer in (
            _ask(warehouse, in_force, **{name: beyond}),
            _ask(warehouse, f"{in_force} SETTINGS {name} = {beyond}"),
        ):
            assert (answer.status, answer.code) == (403, VIOLATION), answer.text
        # Within a query the engine takes the bound itself for what is beyond it.
        within = _ask(warehouse, f"SELECT * FROM ({in_force} SETTINGS {name} = {beyond})")
        assert within.status == 403 or int(within.text) <= bound


@pytest.mark.parametrize("name", ["max_memory_usage", "max_result_rows"])
def test_no_limit_at_all_is_more_than_any(warehouse: Warehouse, name: str) -> None:
    in_force = f"SELECT toUInt64(getSetting('{name}'))"
    for answer in (_ask(warehouse, in_force, **{name: 0}), _ask(warehouse, f"{in_force} SETTINGS {name} = 0")):
        assert (answer.status, answer.code) == (403, VIOLATION), answer.text
    assert int(_ask(warehouse, f"SELECT * FROM ({in_force} SETTINGS {name} = 0)").text) > 0


def test_zero_threads_are_as_many_as_there_are_processors(warehouse: Warehouse) -> None:
    assert int(_ask(warehouse, "SELECT getSetting('max_threads')", max_threads=0).text) <= (os.cpu_count() or 1)


def test_the_time_that_a_driver_waits_is_no_fault_of_his(warehouse: Warehouse) -> None:
    """clickhouse-go sends its deadline and five seconds more, JDBC 0 where it has none."""
    in_force = "SELECT getSetting('max_execution_time')"
    for asked, held in ((600, "60"), (0, "60"), (60, "60"), (0.5, "0.5")):
        assert _ask(warehouse, in_force, max_execution_time=asked).text == f"{held}\n"
    for beyond in (61, 0):
        assert _ask(warehouse, f"{in_force} SETTINGS max_execution_time = {beyond}").code == VIOLATION


def test_a_bound_ends_what_goes_beyond_it(warehouse: Warehouse) -> None:
    answer = _ask(warehouse, "SELECT number FROM numbers(11)", max_result_rows=10)
    assert (answer.code, answer.status) == (396, 400)
    assert _ask(warehouse, "SELECT number FROM numbers(100)", max_rows_to_read=10).code == 158


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("insert_quorum", "2"),
        ("log_queries", "0"),
        ("enable_analyzer", "0"),
        ("allow_ddl", "0"),
        ("max_bytes_before_external_group_by", "1"),
        ("compatibility", "22.3"),
        ("readonly", "0"),
        ("profile", "default"),
        ("dialect", "prql"),
        ("additional_result_filter", "1"),
    ],
)
def test_the_rest_is_refused_with_a_reason(warehouse: Warehouse, name: str, value: str) -> None:
    for answer in (
        _ask(warehouse, "SELECT 1", **{name: value}),
        _ask(warehouse, f"SELECT 1 SETTINGS {name} = '{value}'"),
    ):
        assert answer.status == 403
        assert answer.code in (READONLY, VIOLATION, DENIED)
        assert name in answer.text


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT getSetting('max_memory_usage') SETTINGS profile = 'default'",
        "SELECT 1 SETTINGS max_threads = 1, profile = 'default'",
        "SELECT 1 SETTINGS `profile` = 'default'",
        "SELECT 1 SETTINGS PROFILE = 'default'",
        "SELECT * FROM (SELECT 1 SETTINGS profile = 'default')",
        "SET profile = 'default'",
    ],
)
def test_nobody_leaves_his_profile(warehouse: Warehouse, sql: str) -> None:
    assert _ask(warehouse, sql).code in (READONLY, DENIED)


def test_what_is_listed_as_changeable_is_just_what_the_profile_names(warehouse: Warehouse) -> None:
    listed = _listed(warehouse)
    defaults = {name: value for name, (value, _) in listed.items()}
    changeable = {name for name, (_, is_changeable) in listed.items() if is_changeable}
    lowered = {name for name in changeable if name.startswith("max_")}
    assert len(listed) > 1500
    assert {name for name in changeable - lowered if not profile.is_free(name, defaults)} == set()
    assert set(BOUNDED) <= lowered
    assert {name for name in changeable if is_refused_setting(name)} == set()


def test_what_is_listed_as_constant_is_refused(warehouse: Warehouse) -> None:
    """Every thirtieth of the switches: turned over, each is refused."""
    listed = _listed(warehouse).items()
    switches = {name: value for name, (value, is_free) in listed if value in ("0", "1") and not is_free}
    some = sorted(switches)[::30]
    assert len(some) > 20
    assert {_ask(warehouse, "SELECT 1", **{name: 1 - int(switches[name])}).status for name in some} == {403}


def test_an_owner_sets_what_he_likes(warehouse: Warehouse) -> None:
    settings = {"max_threads": "64", "enable_analyzer": "1", "insert_quorum": "0", "max_execution_time": "600"}
    in_force = "SELECT getSetting('max_threads'), getSetting('max_execution_time')"
    assert warehouse.ask(in_force, **settings).text == "64\t600\n"  # type: ignore[arg-type]


def test_clickhouse_connect_sets_what_it_may_and_says_what_it_may_not(warehouse: Warehouse) -> None:
    client = warehouse.client(ANALYST, settings={"async_insert": 0, "max_threads": 1})
    assert client.query("SELECT getSetting('max_threads')").result_rows == [(1,)]
    assert client.query("SELECT 1", settings={"max_result_rows": 5, "join_use_nulls": 1}).result_rows == [(1,)]
    with pytest.raises(ProgrammingError, match="insert_quorum is readonly"):
        client.query("SELECT 1", settings={"insert_quorum": 2})
    with pytest.raises(DatabaseError, match="shouldn't be greater than"):
        client.query("SELECT 1", settings={"max_result_rows": 1 << 40})
    client.close()
