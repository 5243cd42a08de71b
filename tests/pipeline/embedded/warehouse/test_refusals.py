"""What could reach files, other hosts or the engine's life is refused, however it is written; the rest is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.embedded.warehouse import names
from pipeline.embedded.warehouse.errors import WarehouseError
from pipeline.embedded.warehouse.refusals import check, check_setting
from pipeline.embedded.warehouse.statement import read_statement
from pipeline.embedded.warehouse.users import Role
from tests.pipeline.embedded.warehouse.running import ANALYST, Warehouse

REFUSED = [
    "SELECT * FROM file('/etc/passwd', 'LineAsString')",
    "SELECT file('/etc/passwd')",
    "SELECT FILE ('/etc/passwd')",
    "SELECT \"file\"('x')",
    "SELECT `fi\\x6ce`('x')",
    "SELECT “file”('x')",
    "SELECT file/* */('x')",
    "SELECT 1, (SELECT file('x'))",
    "SELECT arrayMap(file, ['/etc/passwd'])",
    "SELECT arrayMap(`file`, ['/etc/passwd'])",
    "SELECT * APPLY(file) FROM (SELECT '/etc/passwd')",
    "SELECT * APPLY file FROM (SELECT '/etc/passwd')",
    "WITH file AS f SELECT arrayMap(f, ['/etc/passwd'])",
    "SELECT * FROM format(JSONEachRow, 's String, t String DEFAULT file(\\'x\\')', '{}')",
    "SELECT * FROM format('Values', 's String', '(file(\\'x\\'))')",
    "SELECT * FROM format(concat('CS', 'V'), 's String', 'x')",
    "SELECT t FROM values('s String, t String ALIAS file(\\'x\\')', ('x', 'y'))",
    "SELECT t FROM values(('s String, t String ALIAS x'), ('x', 'y'))",
    "SELECT t FROM values(concat('s String, t String ALI', 'AS 1'), ('x', 'y'))",
    "SELECT t FROM generateRandom('t String ALIAS f(1)')",
    "SELECT t FROM generateRandom({s:String})",
    "SELECT t FROM null(concat('t String'))",
    "SELECT 1 SETTINGS additional_result_filter = 'file(1)'",
    "SELECT 1 SETTINGS input_format_values_interpret_expressions = 1",
    "SELECT hasColumnInTable('other.host', 'user', 'password', 'd', 't', 'c')",
    "SELECT * FROM url('http://x/', 'LineAsString')",
    "SELECT * FROM s3('http://x/')",
    "SELECT * FROM remote('x', system.one)",
    "SELECT * FROM clusterAllReplicas('default', system.one)",
    "SELECT * FROM executable('x', 'TSV', 'a Int8')",
    "SELECT * FROM Python(x)",
    "SELECT * FROM eval('SELECT 1')",
    "SELECT 1 INTO OUTFILE '/tmp/x'",
    "SELECT 1 into /* */ outfile '/tmp/x' FORMAT CSV",
    "INSERT INTO t FROM INFILE '/etc/passwd' FORMAT CSV",
    "INSERT INTO FUNCTION file('x', 'CSV', 'a Int8') SELECT 1",
    "INSERT INTO FUNCTION file('x', 'CSV', 'a Int8') VALUES (1)",
    "CREATE TABLE t (a Int8) ENGINE = Kafka('b', 't', 'g', 'CSV')",
    "CREATE TABLE t (a Int8) ENGINE Kafka SETTINGS kafka_broker_list = 'x'",
    "CREATE TABLE t (a Int8) ENGINE = `File`(CSV)",
    "CREATE TABLE t (a Int8 DEFAULT (SELECT 1)) ENGINE = URL('x')",
    "CREATE TABLE t ENGINE = S3('x') AS SELECT 1",
    "CREATE OR REPLACE TABLE t (a Int8) ENGINE = Distributed('c', 'd', 't')",
    "CREATE TABLE t AS file('x')",
    "CREATE TABLE t (a Int8) ENGINE = MergeTree ORDER BY a SETTINGS disk = disk(type = local, path = '/')",
    "CREATE DATABASE d ENGINE = Filesystem('/')",
    "CREATE DATABASE d ENGINE = MySQL('h', 'd', 'u', 'p')",
    "CREATE DICTIONARY d (a UInt64) PRIMARY KEY a SOURCE(FILE(PATH 'x' FORMAT 'CSV')) LAYOUT(FLAT()) LIFETIME(1)",
    "CREATE DICTIONARY d (a UInt64) PRIMARY KEY a SOURCE(HTTP(URL 'x' FORMAT 'CSV')) LAYOUT(FLAT()) LIFETIME(1)",
    "CREATE DICTIONARY d (a UInt64) PRIMARY KEY a SOURCE(CLICKHOUSE(QUERY 'SELECT 1')) LAYOUT(FLAT()) LIFETIME(1)",
    "CREATE FUNCTION f AS (x) -> file(x)",
    "CREATE FUNCTION f LANGUAGE WASM FROM 'x'",
    "CREATE USER u",
    "CREATE ROLE r",
    "DROP USER u",
    "ALTER USER default IDENTIFIED BY 'x'",
    "CREATE ROW POLICY p ON t",
    "CREATE NAMED COLLECTION c AS a = 1",
    "GRANT ALL ON *.* TO u",
    "REVOKE ALL ON *.* FROM u",
    "SET ROLE NONE",
    "SET DEFAULT ROLE NONE TO default",
    "EXECUTE AS u SELECT 1",
    "SYSTEM SHUTDOWN",
    "SYSTEM KILL",
    "SYSTEM STOP LISTEN HTTP",
    "SYSTEM DROP REPLICA 'x'",
    "BACKUP DATABASE d TO Disk('x', 'y')",
    "RESTORE DATABASE d FROM Disk('x', 'y')",
    "ATTACH TABLE t",
    "ATTACH DATABASE d",
    "DETACH DATABASE d",
    "DETACH TABLE t",
    "ALTER TABLE t FREEZE",
    "SELECT 1 SETTINGS dialect = 'kusto'",
    "SELECT 1 SETTINGS max_threads = 1, `dialect` = 'prql'",
    "SET dialect = 'prql'",
    "SELECT 1 SETTINGS format_template_row = '/etc/passwd'",
    "INSERT INTO t SETTINGS format_schema = '/etc/passwd' FORMAT Protobuf\n",
]

ALLOWED = [
    "SELECT 'file(' AS file, url, t.file FROM t -- url(",
    "INSERT INTO t (file) FORMAT Native",
    "SELECT format('{} is {}', a, b) FROM t",
    "SELECT * FROM values('a Int8, b String', (1, 'x'), (2, 'y'))",
    "SELECT * FROM (VALUES (1, 'x'), (2, 'y'))",
    "SELECT * FROM generateRandom('a Int8, b Array(String)') LIMIT 1",
    "SELECT * FROM generateRandom() LIMIT 1",
    "SELECT count() FROM system.query_log WHERE log_comment = 'x' AND dialect = 'y'",
    "SELECT engine FROM system.tables",
    "CREATE TABLE t ENGINE = MergeTree ORDER BY tuple() AS SELECT engine FROM system.tables",
    "CREATE TABLE t (a Int8, engine String) ENGINE = ReplacingMergeTree(a) ORDER BY a TTL now() + INTERVAL 1 DAY",
    "CREATE MATERIALIZED VIEW v TO t AS SELECT 1",
    "CREATE MATERIALIZED VIEW v ENGINE = AggregatingMergeTree ORDER BY a AS SELECT 1 AS a",
    "CREATE TABLE t (a Int8) ENGINE = Buffer(d, t, 1, 1, 1, 1, 1, 1, 1)",
    "CREATE DATABASE d",
    "CREATE DATABASE IF NOT EXISTS d ENGINE = Atomic",
    "CREATE DICTIONARY d (a UInt64) PRIMARY KEY a SOURCE(CLICKHOUSE(TABLE 't')) LAYOUT(FLAT()) LIFETIME(1)",
    "CREATE FUNCTION f AS (x) -> x + 1",
    "ALTER TABLE t ADD COLUMN x Int8, MODIFY TTL now()",
    "SYSTEM FLUSH LOGS",
    "SYSTEM STOP MERGES t",
    "SELECT * FROM merge('thalweg', '^t') SETTINGS max_threads = 1",
    "SELECT * FROM numbers(3)",
    "INSERT INTO t (file, url) VALUES (1, 2)",
    "OPTIMIZE TABLE t FINAL",
    "KILL QUERY WHERE query_id = 'x'",
]

READ_ONLY_REFUSED = [
    "INSERT INTO t VALUES (1)",
    "INSERT INTO t SELECT 1",
    "CREATE TABLE t (a Int8) ENGINE = Memory",
    "CREATE TEMPORARY TABLE t (a Int8)",
    "DROP TABLE t",
    "SET max_threads = 1",
    "USE system",
    "KILL QUERY WHERE 1",
    "OPTIMIZE TABLE t",
    "SHOW PROCESSLIST",
    "SHOW GRANTS",
    "SELECT * FROM system.processes",
    "SELECT * FROM system . `query_log`",
    "SELECT * FROM `system`.processes",
    "SELECT * FROM loop(thalweg.t)",
    "SELECT * FROM merge('system', '.*')",
    "SELECT getServerSetting('path')",
]


@pytest.mark.parametrize("sql", REFUSED)
def test_refused_to_everyone(sql: str) -> None:
    with pytest.raises(WarehouseError) as caught:
        check(read_statement(sql.encode()), Role.OWNER)
    assert (caught.value.code, caught.value.status) == (497, 403)


@pytest.mark.parametrize("sql", ALLOWED)
def test_allowed_to_the_owner(sql: str) -> None:
    check(read_statement(sql.encode()), Role.OWNER)


@pytest.mark.parametrize("sql", REFUSED + READ_ONLY_REFUSED)
def test_refused_to_an_analyst(sql: str) -> None:
    with pytest.raises(WarehouseError) as caught:
        check(read_statement(sql.encode()), Role.ANALYST)
    assert caught.value.code in (497, 164)


@pytest.mark.parametrize("name", ["dialect", "polyglot_dialect", "format_schema", "output_format_schema", "DIALECT"])
def test_a_setting_that_names_files_or_another_language_is_refused(name: str) -> None:
    with pytest.raises(WarehouseError):
        check_setting(name)


_NOISE = st.sampled_from(["", " ", "\n", "/**/", "/* file */", "-- x\n", "\u00a0", "# x\n", "// y\n", "/* /* */ */"])


@given(
    name=st.sampled_from(sorted(names.REFUSED_FUNCTIONS | names.REFUSED_SCALARS)),
    upper=st.booleans(),
    quote=st.sampled_from(["", '"', "`"]),
    noise=st.lists(_NOISE, min_size=3, max_size=3),
    before=st.sampled_from(["SELECT ", "SELECT 'x', ", "SELECT * FROM ", "WITH 1 AS y SELECT ", "SELECT $$a$$, "]),
)
def test_a_refused_function_is_refused_in_any_dress(
    name: str, upper: bool, quote: str, noise: list[str], before: str
) -> None:
    spelled = quote + (name.upper() if upper else name) + quote
    sql = f"{before}{noise[0]} {spelled}{noise[1]}({noise[2]}'x')"
    with pytest.raises(WarehouseError) as caught:
        check(read_statement(sql.encode()), Role.OWNER)
    assert caught.value.code == 497


@given(
    st.sampled_from(sorted(names.REFUSED_FUNCTIONS | names.REFUSED_SCALARS)),
    st.sampled_from(["'{}(x)'", "/* {}( */ 1", "1 -- {}(", "$$ {}( $$"]),
)
def test_its_name_in_a_string_or_comment_is_not(name: str, where: str) -> None:
    check(read_statement(f"SELECT {where.format(name)}".encode()), Role.ANALYST)


def test_every_table_function_of_the_engine_is_sorted(warehouse: Warehouse) -> None:
    known = names.HARMLESS_TABLE_FUNCTIONS | names.REFUSED_FUNCTIONS | names.REFUSED_SCALARS
    listed = warehouse.ask("SELECT lower(name) FROM system.table_functions").text.split()
    assert len(listed) > 50
    assert set(listed) - known == set()


def test_every_scalar_function_that_is_refused_can_be_named_only(warehouse: Warehouse) -> None:
    """A refused name that is also a scalar function must be refused without a call too."""
    listed = set(warehouse.ask("SELECT lower(name) FROM system.functions").text.split())
    assert listed & names.REFUSED_FUNCTIONS == set()


@pytest.mark.parametrize("value", ["system", "SYSTEM", "`system`", "sys\\x74em", " system"])
def test_an_identifier_parameter_is_no_way_to_the_system_tables(warehouse: Warehouse, value: str) -> None:
    sql = "SELECT * FROM {d:Identifier}.processes"
    assert warehouse.ask(sql, user=ANALYST, param_d=value).code in (497, 60, 81)
    assert warehouse.ask("SELECT * FROM {t:Identifier}", user=ANALYST, param_t="numbers").code == 60
