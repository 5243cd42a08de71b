"""What an error of ClickHouse means for whoever asked: wait, mend a setting, or end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from clickhouse_connect.driver.exceptions import ClickHouseError, Error
from urllib3.exceptions import HTTPError

from pipeline.errors import Broken, Failure, Misconfigured, WarehouseUnavailable

# Codes of src/Common/ErrorCodes.cpp that no waiting mends. Everything else may pass: memory limits, too many parts,
# time-outs, a server that is starting or stopping.
_OPERATORS = {
    81: "the database does not exist: run `thalweg warehouse migrate`",
    60: "a table is missing: run `thalweg warehouse migrate`",
    164: "this user may only read",
    192: "there is no such user",
    193: "the password is wrong",
    194: "a password is needed",
    497: "the user lacks the right",
    516: "user or password is wrong: see THALWEG_WAREHOUSE_USER and THALWEG_WAREHOUSE_PASSWORD",
}
_OURS = {
    6: "CANNOT_PARSE_TEXT",
    16: "NO_SUCH_COLUMN_IN_TABLE",
    20: "NUMBER_OF_COLUMNS_DOESNT_MATCH",
    36: "BAD_ARGUMENTS",
    43: "ILLEGAL_TYPE_OF_ARGUMENT",
    44: "ILLEGAL_COLUMN",
    46: "UNKNOWN_FUNCTION",
    47: "UNKNOWN_IDENTIFIER",
    50: "UNKNOWN_TYPE",
    53: "TYPE_MISMATCH",
    62: "SYNTAX_ERROR",
    70: "CANNOT_CONVERT_TYPE",
    117: "INCORRECT_DATA",
    321: "VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE",
}
_ENVELOPE = re.compile(r"^.*?DB::Exception: |\s*\(for url .*$|https?://\S+")


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Turns what ClickHouse's client raises inside into a Failure; `where` names the server for the operator."""
    try:
        yield
    except ClickHouseError as error:
        raise failure(error, where) from error
    except (OSError, HTTPError) as error:  # a connection that breaks while an answer is read comes through unwrapped
        raise WarehouseUnavailable(f"the warehouse at {where} does not answer: {type(error).__name__}") from error


def failure(error: ClickHouseError, where: str) -> Failure:
    code = error.code if isinstance(error, Error) else None
    detail = _ENVELOPE.sub("", str(error).splitlines()[0] if str(error) else type(error).__name__)[:400]
    if code in _OPERATORS:
        return Misconfigured(f"the warehouse at {where} refuses: {_OPERATORS[code]} (code {code})")
    if code in _OURS:
        return Broken(f"the warehouse at {where} cannot do what it was asked: {detail}")
    return WarehouseUnavailable(f"the warehouse at {where} does not answer as it should: {detail}")
