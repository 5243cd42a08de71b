"""Wherever an analyst's request may hold SQL, it is refused or runs with the analyst's own rights, and never before
the owner's role is given up."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from pipeline.embedded.warehouse.engine import Engine
from pipeline.embedded.warehouse.names import ALLOWED_FORMATS, REFUSED_FORMATS
from pipeline.embedded.warehouse.settings import Limits
from pipeline.embedded.warehouse.users import Role
from tests.pipeline.embedded.warehouse.running import ANALYST, OWNER, Warehouse

SECRET = "the-row-that-is-withheld"

# What carries the withheld row, or a word on the role, into a result or into an error's text.
PROBES = [
    "(SELECT throwIf(1, any(actor)) FROM thalweg.audit)",
    "(SELECT toInt8(any(actor)) FROM thalweg.audit)",
    "(SELECT any(query) FROM system.query_log)",
    "(SELECT any(name) FROM system.users)",
    "throwIf(has(currentRoles(), concat('own', 'er')))",
    "toInt8(arrayStringConcat(currentRoles()))",
    "dictGet('thalweg.actors', 'actor', 'x')",
]

# Where in a statement an expression may stand.
STATEMENTS = [
    "SELECT {}",
    "SELECT 1 WHERE {} = '1'",
    "WITH {} AS x SELECT x",
    "WITH x AS (SELECT {}) SELECT * FROM x",
    "SELECT 1 LIMIT {}",
    "SELECT 1 ORDER BY {}",
    "SELECT number FROM numbers(1) GROUP BY number HAVING {} = '1'",
    "SELECT number FROM numbers(toUInt64({}))",
    "SELECT * FROM view(SELECT {})",
    "SELECT * FROM values('a String', ({}))",
    "SELECT * FROM values('a String DEFAULT {}', 1)",
    "SELECT * FROM generateRandom('a String DEFAULT {}') LIMIT 1",
    "SELECT * FROM generateRandom('a Int8, CONSTRAINT c CHECK {}') LIMIT 1",
    "SELECT * FROM null('a String DEFAULT {}')",
    "SELECT * FROM format('Values', 'a String', '({})')",
    "SELECT * FROM format(JSONEachRow, 'a String DEFAULT {}', '{{}}')",
    "SELECT * FROM input('a String DEFAULT {}')",
    "SELECT 1 SETTINGS additional_result_filter = '{}'",
    "SELECT 1 SETTINGS max_threads = {}",
    "EXPLAIN SELECT {}",
    "EXPLAIN SYNTAX SELECT {}",
    "EXPLAIN PIPELINE SELECT {}",
    "EXPLAIN ESTIMATE SELECT {}",
    "DESCRIBE TABLE (SELECT {})",
    "DESCRIBE TABLE values('a String DEFAULT {}', 1)",
    "SHOW TABLES WHERE {} = '1'",
    "SHOW DATABASES WHERE {} = '1'",
    "SHOW COLUMNS FROM system.one WHERE {} = '1'",
    "CHECK TABLE system.one PARTITION {}",
    "INSERT INTO t VALUES ({})",
    "INSERT INTO t SELECT {}",
    "INSERT INTO FUNCTION null('a String DEFAULT {}') SELECT 1",
    "SELECT 1 PARALLEL WITH SELECT {}",
    "SELECT 1 UNION ALL SELECT {}",
    "SELECT 1 INTERSECT SELECT {}",
    "SELECT 1 FORMAT {}",
    "SET max_threads = {}",
    "CREATE TEMPORARY TABLE t (a String DEFAULT {})",
    "CREATE FUNCTION f AS () -> {}",
    "EXECUTE AS default SELECT {}",
    "KILL QUERY WHERE {} = '1'",
]

# What may stand between the brackets of CREATE TABLE beside names and types.
STRUCTURES = [
    "a String DEFAULT {}",
    "a String DEFAULT throwIf(1, {})",
    "a DEFAULT {}",
    "a DEFAULT({})",
    "a String MATERIALIZED {}",
    "a String ALIAS {}",
    "a String EPHEMERAL {}",
    "a String TTL now() + {}",
    "a String CODEC({})",
    "a String STATISTICS({})",
    "a String COMMENT '{}'",
    "a String, CONSTRAINT c CHECK {}",
    "a String, CONSTRAINT c CHECK ({}) = '1'",
    "a String, CONSTRAINT c ASSUME {} = '1'",
    "a String, INDEX i {} TYPE minmax",
    "a String, PROJECTION p (SELECT {})",
    "a String, PRIMARY KEY {}",
    "a FixedString({})",
    "a Enum8({} = 1)",
    "a DateTime64(3, {})",
    "a Array({})",
    "a Tuple(b {})",
    "a String) ENGINE = Memory AS SELECT {} --",
    "a String) AS SELECT {} /*",
    "a String /* */, CONSTRAINT c CHECK {}",
    "{}",
    "a {}",
]


@pytest.fixture(scope="module")
def analyst(warehouse: Warehouse) -> Iterator[httpx.Client]:
    """Speaks to a warehouse whose audit and query log hold the secret."""
    warehouse.ask("CREATE TABLE IF NOT EXISTS audit (actor String) ENGINE = MergeTree ORDER BY actor")
    warehouse.ask("TRUNCATE TABLE audit")
    warehouse.ask(f"INSERT INTO audit VALUES ('{SECRET}')")
    warehouse.ask("CREATE DICTIONARY IF NOT EXISTS actors (actor String) PRIMARY KEY actor "
                  "SOURCE(CLICKHOUSE(TABLE 'audit')) LAYOUT(COMPLEX_KEY_HASHED()) LIFETIME(0)")  # fmt: skip
    assert SECRET in warehouse.ask("SELECT any(actor) FROM audit").text
    with httpx.Client(base_url=warehouse.url, auth=ANALYST) as client:
        yield client
    warehouse.ask("DROP DICTIONARY actors")
    warehouse.ask("TRUNCATE TABLE audit")


def _withheld(answer: httpx.Response, place: str) -> None:
    """An error may repeat what was asked; it does not hold the row, the role's name, or throwIf's own error."""
    assert SECRET not in answer.text, place
    assert "owner" not in answer.text, place
    assert answer.headers.get("x-clickhouse-exception-code") != "395", place


@pytest.mark.parametrize("place", STATEMENTS)
def test_in_a_statement(analyst: httpx.Client, place: str) -> None:
    for probe in PROBES:
        text = probe.replace("'", "\\'") if "'{}" in place or "{}'" in place else probe
        for sql in {place.format(probe), place.format(text)}:
            _withheld(analyst.post("/", content=sql), sql)


@pytest.mark.parametrize("place", STRUCTURES)
def test_in_the_structure_of_a_table_brought_along(analyst: httpx.Client, place: str) -> None:
    for probe in PROBES:
        structure = place.format(probe)
        for field in ("t_structure", "t_types"):
            answer = _brought(analyst, "SELECT 1", **{field: structure})
            _withheld(answer, structure)
            assert answer.status_code == 400, f"{structure}: {answer.text}"


@pytest.mark.parametrize("probe", PROBES)
def test_in_its_data_its_format_and_its_name(analyst: httpx.Client, probe: str) -> None:
    for data in (f"({probe})", f"('x'), ({probe})", probe):
        answer = _brought(analyst, "SELECT * FROM t", data, t_structure="a Int64", t_format="Values")
        _withheld(answer, data)
        assert answer.status_code >= 400, answer.text
    for name in (
        probe,
        f"TSV SELECT {probe}",
        f"Values ({probe})",
        f"TSV SETTINGS additional_result_filter = '{probe}'",
    ):
        answer = _brought(analyst, "SELECT * FROM t", t_structure="a String", t_format=name)
        _withheld(answer, name)
        assert answer.headers["x-clickhouse-exception-code"] == "73"
    for name in (f"t` (a String DEFAULT {probe}) --", probe):
        fields = {"query": "SELECT 1", f"{name}_structure": "a String"}
        answer = analyst.post("/", params=fields, files={name: ("t", b"x\n")})
        _withheld(answer, name)
        assert answer.status_code in (400, 404), answer.text


@pytest.mark.parametrize("probe", PROBES)
def test_in_settings_parameters_names_and_headers(analyst: httpx.Client, probe: str) -> None:
    fields = [
        {"additional_result_filter": probe},
        {"additional_table_filters": f"{{'system.one': '{probe}'}}"},
        {"schema_inference_hints": f"a String DEFAULT {probe}"},
        {"output_format_json_quote_64bit_integers": probe},
        {"output_format_sql_insert_table_name": probe},
        {"max_execution_time": probe},
        {"max_threads": probe},
        {"limit": probe},
        {f"max_threads = {probe}, max_block_size": "1"},
        {"param_s": probe},
        {"param_a": f"[{probe}]"},
        {f"param_s = {probe}, x": "1"},
        {"database": f"thalweg`; SELECT {probe}"},
        {"default_format": probe},
        {"query_id": f"' OR {probe} --"},
        {"role": "owner", "session_id": "s"},
        {"session_timezone": probe},
    ]
    sql = "SELECT currentRoles(), {s:String}, {a:Array(String)}"
    for given in fields:
        asked = {"query": sql, "param_s": "x", "param_a": "['y']"} | given
        answer = analyst.post("/", params=asked)
        if answer.status_code == 200:
            assert answer.text.startswith("[]"), given
        if "owner" not in given.values():
            _withheld(answer, str(given))
    for headers in ({"X-ClickHouse-Format": probe}, {"X-ClickHouse-Database": f"thalweg; SELECT {probe}"}):
        answer = analyst.post("/", content="SELECT 1", headers=headers)
        _withheld(answer, str(headers))
        assert answer.status_code in (403, 404)


def test_a_table_brought_along_is_made_and_read_without_the_owners_role(analyst: httpx.Client) -> None:
    sql = "SELECT currentRoles(), currentUser(), (SELECT count() FROM t)"
    assert _brought(analyst, sql, t_structure="a String").text == "[]\tdefault\t1\n"
    structure = "a UInt8, b Array(Tuple(x String, y Enum8('a' = -1)))"
    row = '{"a": 1, "b": [{"x": "p", "y": "a"}]}'
    answer = _brought(analyst, "SELECT * FROM t", row, t_structure=structure, t_format="JSONEachRow")
    assert answer.text == "1\t[('p','a')]\n"


def test_the_role_is_down_from_a_handles_first_statement_on(tmp_path_factory: pytest.TempPathFactory) -> None:
    engine = Engine(tmp_path_factory.mktemp("engine"), "thalweg", Limits())
    sql = "SELECT currentRoles()"
    owner, analyst = engine.handle(), engine.handle(Role.ANALYST)
    assert owner.run(sql, "TSV").data == b"['owner']\n"
    assert analyst.run(sql, "TSV").data == b"[]\n"
    for handle in (owner, analyst):
        handle.close()
    engine.close()


def test_every_format_of_the_engine_is_sorted(warehouse: Warehouse) -> None:
    listed = set(warehouse.ask("SELECT lower(name) FROM system.formats").text.split())
    assert listed == ALLOWED_FORMATS | REFUSED_FORMATS
    assert ALLOWED_FORMATS.isdisjoint(REFUSED_FORMATS)


@pytest.mark.parametrize("name", ["Template", "Protobuf", "AvroConfluent", "MySQLWire"])
def test_a_format_that_needs_more_than_the_data_is_refused(
    warehouse: Warehouse, analyst: httpx.Client, name: str
) -> None:
    assert _brought(analyst, "SELECT 1", t_structure="a String", t_format=name).status_code == 403
    for user in (ANALYST, OWNER):
        assert warehouse.ask(f"SELECT 1 FORMAT {name}", user=user).code == 497
    assert warehouse.ask(f"INSERT INTO audit FORMAT {name}\nx").code == 497


def _brought(analyst: httpx.Client, sql: str, data: str = "x\n", **fields: str) -> httpx.Response:
    return analyst.post("/", params={"query": sql} | fields, files={"t": ("t", data.encode())})
