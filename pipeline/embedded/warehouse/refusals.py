"""What this warehouse will not run, since it could reach files, other hosts or the engine's life.

Grants and `readonly` hold most of it in the engine; some of it they do not hold: INTO OUTFILE and FROM INFILE are
done by the engine's client part, the scalar function file() reads any path whatever the grants say, a Kafka table
keeps the engine from opening its directory again. A test asserts that every function of the engine is sorted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import zip_longest

from pipeline.embedded.warehouse.errors import WarehouseError, refusal
from pipeline.embedded.warehouse.lexer import Kind, Token, tokens
from pipeline.embedded.warehouse.names import (
    ACCESS_ENTITIES,
    ALLOWED_ENGINES,
    ANALYST_TABLE_FUNCTIONS,
    HARMLESS_TABLE_FUNCTIONS,
    READABLE_SYSTEM_TABLES,
    REFUSED_FUNCTIONS,
    REFUSED_SCALARS,
    REFUSED_VERBS,
    STRUCTURED,
)
from pipeline.embedded.warehouse.statement import Form, Statement
from pipeline.embedded.warehouse.structure import is_structure
from pipeline.embedded.warehouse.users import Role

# Settings that name files or hosts, or have the text read in another language than the lexer's.
_REFUSED_SETTING = re.compile(
    r"(?:.*dialect|format_schema.*|output_format_schema|format_template_(?:row|resultset)"
    r"|input_format_record_errors_file_path|format_avro_schema_registry_url|rename_files_after_processing"
    r"|engine_file_.*|url_base|http_allow_.*|disk|storage_policy|user_files_path|allow_experimental_eval_.*"
    r"|dynamic_disk_.*|into_outfile_.*|shadow_.*|log_comment|profile"
    # Settings that hold SQL: expressions, structures, parts of a query.
    r"|input_format_values_(?:interpret|deduce)_.*|additional_.*filter.*|parallel_replicas_custom_key.*"
    r"|schema_inference_hints|select|filter|order|sort|implicit_.*|.*fuzzer.*|function_implementation)",
    re.IGNORECASE,
)

_SETTING_LENGTH = 200  # no setting's name is longer, and the pattern is not for long texts

_PLAIN = re.compile(r"[A-Za-z0-9_]*")
_ALLOWED_SYSTEM = (
    ("FLUSH",),
    ("RELOAD", "DICTIONARY"),
    ("RELOAD", "DICTIONARIES"),
    ("STOP", "MERGES"),
    ("START", "MERGES"),
    ("STOP", "TTL"),
    ("START", "TTL"),
    ("STOP", "VIEW"),
    ("START", "VIEW"),
    ("STOP", "VIEWS"),
    ("START", "VIEWS"),
    ("REFRESH", "VIEW"),
    ("CANCEL", "VIEW"),
    ("WAIT", "VIEW"),
)
_DICTIONARY_SOURCES = ("CLICKHOUSE", "NULL")
_DICTIONARY_TRAPS = ("QUERY", "INVALIDATE_QUERY", "WHERE", "HOST", "PORT", "NAME")

_ANALYST_REFUSED = (HARMLESS_TABLE_FUNCTIONS - ANALYST_TABLE_FUNCTIONS) | {"getserversetting", "joinget"}
_SCALAR_NAMESAKES = frozenset({"values", "null"})


def check(statement: Statement, role: Role) -> None:
    """Raises the WarehouseError that says what is refused and why; returns for what may run."""
    if role is Role.ANALYST:
        _check_form(statement)
    words = statement.tokens
    for index, token in enumerate(words):
        if token.kind is not Kind.WORD:
            continue
        following = words[index + 1] if index + 1 < len(words) else None
        _check_outfile(token, following)
        if following is not None and following.is_sign("("):
            _check_function(token, role)
            _check_structure(words, index)
        if statement.form is not Form.INSERT_DATA and not _is_qualified_or_alias(words, index):
            _check_name(token)
        if following is not None and following.is_sign("=") and _names_a_setting(words, index):
            check_setting(token.text)
    _check_verb(statement)
    if role is Role.ANALYST:
        _check_analyst(statement)


def check_parameters(statement: Statement, parameters: Mapping[str, str], role: Role) -> None:
    """An identifier given as a parameter is no token of the statement: an analyst's must be plain and harmless."""
    if role is not Role.ANALYST or not any(token.is_word("IDENTIFIER") for token in statement.tokens):
        return
    for name, value in parameters.items():
        if value.lower() == "system" or not _PLAIN.fullmatch(value):
            raise _denied(f"parameter {name}: beside an Identifier parameters must be plain names or numbers")


def is_refused_setting(name: str) -> bool:
    return len(name) <= _SETTING_LENGTH and bool(_REFUSED_SETTING.fullmatch(name))


def check_setting(name: str) -> None:
    """Raises for a setting that no request may change."""
    if is_refused_setting(name):
        raise _denied(f"setting {name} is not allowed here: it could reach files, other hosts or hide a statement")


def _names_a_setting(words: tuple[Token, ...], index: int) -> bool:
    """`name =` after SET, SETTING(S) or a comma; elsewhere it is a comparison."""
    before = words[index - 1] if index else None
    return before is not None and (before.is_word("SET", "SETTINGS", "SETTING") or before.text in (",", "("))


def _denied(what: str) -> WarehouseError:
    return refusal("ACCESS_DENIED", f"Not enough privileges: {what}")


def _check_outfile(token: Token, following: Token | None) -> None:
    if following is None:
        return
    if token.is_word("INTO") and following.is_word("OUTFILE"):
        raise _denied("INTO OUTFILE would write to this machine's files; take the result from the response instead")
    if token.is_word("FROM") and following.is_word("INFILE"):
        raise _denied("FROM INFILE would read this machine's files; send the data as the request's body instead")
    if token.is_word("SET") and following.is_word("ROLE", "DEFAULT"):
        raise _denied("SET ROLE; users and their rights are settings of the warehouse process")


def _check_function(token: Token, role: Role) -> None:
    name = token.text.lower()
    if name in REFUSED_FUNCTIONS or name in REFUSED_SCALARS:
        raise _denied(f"{token.text}() is not allowed here: it could reach files, other hosts or this process")
    if role is Role.ANALYST and name in _ANALYST_REFUSED and name not in _SCALAR_NAMESAKES:
        raise _denied(f"{token.text}() is not allowed to a read-only user")


def _check_structure(words: tuple[Token, ...], index: int) -> None:
    """Table functions take columns as a string, and a column may hold an expression (`a String ALIAS f(x)`): no token
    of the statement. So that string must be written out, without expressions. format() evaluates all it is given."""
    name = words[index].text.lower()
    if name not in STRUCTURED:
        return
    first = words[index + 2] if index + 2 < len(words) else None
    after = words[index + 3] if index + 3 < len(words) else None
    if name == "format":
        literal = first is not None and first.kind is Kind.STRING and not first.text.isidentifier()
        if not literal:
            raise _denied("the table function format() is not allowed here; format('{} {}', …) needs a literal pattern")
    elif first is not None and first.kind is Kind.STRING:
        is_plain = _is_plain(first.text) if name == "values" else is_structure(first.text)
        if after is None or not (after.is_sign(",") or after.is_sign(")")) or not is_plain:
            raise _denied(f"{name}() takes a literal structure without expressions: 'a Int8, b String'")
    elif name != "values" and first is not None and not first.is_sign(")") and first.kind is not Kind.NUMBER:
        raise _denied(f"{name}() takes a literal structure: 'a Int8, b String'")
    elif name == "values" and _computes(words, index + 1):
        raise _denied("values() takes rows of literals, after a literal structure where it has one")


def _is_plain(text: str) -> bool:
    """Whether a string among the arguments of values(), which may be a structure or a value, holds no expression:
    without a bracket there is no call and no subquery."""
    if is_structure(text):
        return True
    words = ("ALIAS", "DEFAULT", "MATERIALIZED", "EPHEMERAL", "TTL")
    return "(" not in text and not any(token.is_word(*words) for token in tokens(text.encode()))


def _computes(words: tuple[Token, ...], opening: int) -> bool:
    """Whether the first argument within the bracket at `opening` is more than literals."""
    depth = 0
    for index in range(opening, len(words)):
        token = words[index]
        depth += token.is_sign("(") - token.is_sign(")")
        if depth == 0 or (depth == 1 and token.is_sign(",")):
            return False
        if token.kind is Kind.WORD and not token.is_word("NULL", "TRUE", "FALSE"):
            return True
        if depth == 1 and token.kind is Kind.STRING:
            return True
        if token.kind is Kind.STRING and not _is_plain(token.text):
            return True
    return False


def check_values(data: bytes) -> None:
    """The rows of an INSERT … VALUES, which may be expressions, under the rules for statements."""
    words = tuple(tokens(data))
    check(Statement(data, words, Form.READ), Role.OWNER)


def _check_name(token: Token) -> None:
    if token.text.lower() in REFUSED_SCALARS:
        hint = f"if it is a column, write it with its table's name: t.{token.text}"
        raise _denied(f"{token.text} is the name of a function that is not allowed here; {hint}")


def _is_qualified_or_alias(words: tuple[Token, ...], index: int) -> bool:
    return index > 0 and (words[index - 1].is_sign(".") or words[index - 1].is_word("AS"))


def _check_verb(statement: Statement) -> None:
    words = [token.text.upper() for token in statement.tokens if token.kind is Kind.WORD and not token.quoted]
    verb = statement.verb
    if verb in REFUSED_VERBS:
        raise _denied(f"{verb} statements are not allowed here")
    if verb == "SYSTEM" and not any(tuple(words[1 : 1 + len(allowed)]) == allowed for allowed in _ALLOWED_SYSTEM):
        raise _denied(f"{' '.join(words[:3])}: only SYSTEM FLUSH, RELOAD, merges and views are allowed")
    if verb in ("CREATE", "ALTER", "DROP", "REPLACE", "EXPLAIN", "UNDROP", "RENAME", "TRUNCATE"):
        _check_definition(words, statement.tokens)


def _check_definition(words: list[str], read: tuple[Token, ...]) -> None:
    entity = _entity(words)
    if entity in ACCESS_ENTITIES:
        raise _denied(f"{words[0]} {entity}; users and their rights are settings of the warehouse process")
    if entity == "FUNCTION" and ("LANGUAGE" in words or "ENGINE" in words):
        raise _denied("only SQL functions may be created")
    for refused in ("FREEZE", "UNFREEZE", "FETCH", "ATTACH", "DETACH"):
        if words[0] == "ALTER" and refused in words:
            raise _denied(f"ALTER … {refused}")
    _check_engines(read)
    if entity == "DICTIONARY":
        _check_dictionary(read)


def _entity(words: list[str]) -> str:
    """The kind of thing a definition is about: the first word that is no modifier."""
    modifiers = {"OR", "REPLACE", "TEMPORARY", "IF", "NOT", "EXISTS", "SETTINGS", "NAMED", "EXPLAIN", "AST", "CREATE"}
    return next((word for word in words[1:] if word not in modifiers), "")


def _check_engines(read: tuple[Token, ...]) -> None:
    """`ENGINE [=] name`. Within a SELECT, where `engine` may be a column, only the form with `=`."""
    depth, in_select = 0, False
    for token, following, third in zip_longest(read, read[1:], read[2:]):
        depth += token.is_sign("(") - token.is_sign(")")
        in_select = in_select or (depth == 0 and token.is_word("SELECT", "WITH"))
        if not token.is_word("ENGINE") or following is None:
            continue
        named = third if following.is_sign("=") else None if in_select or depth else following
        if named is not None and named.kind is Kind.WORD and named.text.lower() not in ALLOWED_ENGINES:
            allowed = "the MergeTree family, Memory, Log, Null, Buffer, Set, Join and views"
            raise _denied(f"ENGINE = {named.text} is not allowed here; use {allowed}")


def _check_dictionary(read: tuple[Token, ...]) -> None:
    sources = [at for at, token in enumerate(read[:-2]) if token.is_word("SOURCE") and read[at + 1].is_sign("(")]
    if any(read[at + 2].text.upper() not in _DICTIONARY_SOURCES for at in sources):
        raise _denied("a dictionary may only be made from a table of this warehouse: SOURCE(CLICKHOUSE(TABLE …))")
    if sources and any(later.is_word(*_DICTIONARY_TRAPS) for later in read[sources[0] + 3 :]):
        raise _denied(f"in a dictionary's source none of {', '.join(_DICTIONARY_TRAPS)} is allowed; name a TABLE")


def _check_form(statement: Statement) -> None:
    if statement.form not in (Form.READ, Form.LOOK):
        raise refusal("READONLY", f"Cannot execute query in readonly mode: {statement.verb[:50]} is not allowed")


def _check_analyst(statement: Statement) -> None:
    if statement.verb == "SHOW" and any(token.is_word("PROCESSLIST", "GRANTS", "ACCESS") for token in statement.tokens):
        raise _denied("SHOW of what others run or may do")
    for schema, dot, table in zip(statement.tokens, statement.tokens[1:], statement.tokens[2:], strict=False):
        if schema.kind is Kind.WORD and schema.text == "system" and dot.is_sign("."):
            _check_system_table(table)


def _check_system_table(table: Token) -> None:
    if table.kind is not Kind.WORD or table.text.lower() not in READABLE_SYSTEM_TABLES:
        raise _denied(f"to execute this query, it's necessary to have the grant SELECT ON system.{table.text}")
