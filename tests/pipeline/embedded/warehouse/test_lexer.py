"""The lexer agrees with the engine's about what is SQL and what is a string or a comment."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.embedded.warehouse.lexer import Kind, tokens
from tests.pipeline.embedded.warehouse.running import Warehouse


def _names(sql: str) -> list[str]:
    return [token.text for token in tokens(sql.encode()) if token.kind is Kind.WORD]


@pytest.mark.parametrize(
    "sql",
    [
        "1 -- file(",
        "1 // file(",
        "1 # file(",
        "1 #! file(",
        "1 /* file( */",
        "1 /* /* */ file( */",
        "'file('",
        "'it\\'s file('",
        "'it''s file('",
        "$$ file( $$",
        "$tag$ $$ file( $tag$",
        "‘file(’",
    ],
)
def test_words_in_strings_and_comments_are_no_words(sql: str) -> None:
    assert _names(sql) == []


@pytest.mark.parametrize(
    "sql",
    [
        "file",
        '"file"',
        "`file`",
        "`fi\\x6ce`",
        "“file”",
        "/* */file",
        "/*/* */*/file",
        "'a'file",
        "'a\\\\'file",
        "--x\nfile",
        "$$a$$file",
        "1.file",
        "\u00a0file",
        "\ufefffile",
    ],
)
def test_a_name_is_found_however_it_is_written(sql: str) -> None:
    assert _names(sql) == ["file"]


@pytest.mark.parametrize("sql", ["'file(", "/* file(", "`file", '"file', "“file", "/* /* */ file("])
def test_what_is_never_closed_is_broken(sql: str) -> None:
    assert [token.kind for token in tokens(sql.encode())] == [Kind.BROKEN]


@given(st.binary(max_size=300))
def test_any_bytes_are_cut_into_tokens_that_follow_one_another(sql: bytes) -> None:
    position = 0
    for token in tokens(sql):
        assert token.start >= position
        assert token.end > token.start
        position = token.end
    assert position <= len(sql)


_PIECES = st.sampled_from(
    [
        *(
            "file",
            "'",
            '"',
            "`",
            "\\",
            "$$",
            "$a$",
            "/*",
            "*/",
            "--",
            "//",
            "# ",
            "#!",
            "#",
            "\n",
            " ",
            "“",
            "”",
            "‘",
            "’",
        ),
        *("(", ")", ",", "1", "1e5", ".", "a", "''", "``", "\u00a0", "\ufeff", "x'61'", "é", "−", "\t", "/", "*", "-"),
    ]
)


def _calls(sql: str) -> list[str]:
    read = list(tokens(sql.encode()))
    return [
        name.text
        for name, after in itertools.pairwise(read)
        if name.kind is Kind.WORD and after.is_sign("(") and name.text == "file"
    ]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(_PIECES, max_size=8), st.lists(_PIECES, max_size=4))
def test_a_call_the_engine_sees_is_seen_here(warehouse: Warehouse, before: list[str], after: list[str]) -> None:
    """The engine rewrites any text that it can parse in one plain spelling, without comments: what is called there
    was called in the original too."""
    sql = f"SELECT {''.join(before)} file('x') {''.join(after)}"
    escaped = sql.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")
    answer = warehouse.ask("SELECT formatQueryOrNull({q:String}) FORMAT TSVRaw", param_q=escaped)
    assert answer.status == 200, answer.text
    assert len(_calls(sql)) >= len(_calls(answer.text))


def test_the_engine_does_rewrite_what_it_can_parse(warehouse: Warehouse) -> None:
    answer = warehouse.ask("SELECT formatQueryOrNull({q:String}) FORMAT TSVRaw", param_q="SELECT /* x */ “file”(‘x’)")
    assert _calls(answer.text) == ["file"]
