"""A refusal or failure as ClickHouse's HTTP clients know it: a code, a name, a message and an HTTP status."""

from __future__ import annotations

import re

_CODE = re.compile(r"Code:\s*(\d+)\.")
_NAME = re.compile(r"\(([A-Z][A-Z0-9_]+)\)")
_NOT_THE_CLIENTS = re.compile(r"^(?:Streaming insert \w+ failed|Streaming query failed|Failed to [\w ]+): ")

# ClickHouse: src/Server/HTTP/exceptionCodeToHTTPStatus.cpp. What is not named there is 500. Refusals that it leaves at
# 500 are what they are here, errors of the client: drivers repeat what failed with 500.
_STATUS = {
    401: ("REQUIRED_PASSWORD",),
    403: (
        "UNKNOWN_USER",
        "WRONG_PASSWORD",
        "AUTHENTICATION_FAILED",
        "SET_NON_GRANTED_ROLE",
        "ACCESS_DENIED",
        "READONLY",
        "SETTING_CONSTRAINT_VIOLATION",
        "SUPPORT_IS_DISABLED",
    ),
    409: ("QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING", "SESSION_IS_LOCKED"),
    400: (
        "CANNOT_DECOMPRESS",
        "CHECKSUM_DOESNT_MATCH",
        "INVALID_SESSION_TIMEOUT",
        "TOO_MANY_ROWS",
        "TOO_MANY_BYTES",
        "TOO_MANY_ROWS_OR_BYTES",
        "BAD_ARGUMENTS",
        "CANNOT_COMPILE_REGEXP",
        "CANNOT_PARSE_TEXT",
        "CANNOT_PARSE_ESCAPE_SEQUENCE",
        "CANNOT_PARSE_QUOTED_STRING",
        "CANNOT_PARSE_DATE",
        "CANNOT_PARSE_DATETIME",
        "CANNOT_PARSE_NUMBER",
        "CANNOT_PARSE_DOMAIN_VALUE_FROM_STRING",
        "CANNOT_PARSE_IPV4",
        "CANNOT_PARSE_IPV6",
        "CANNOT_PARSE_INPUT_ASSERTION_FAILED",
        "CANNOT_PARSE_UUID",
        "DUPLICATE_COLUMN",
        "ILLEGAL_COLUMN",
        "UNKNOWN_ELEMENT_IN_AST",
        "UNKNOWN_TYPE_OF_AST_NODE",
        "THERE_IS_NO_COLUMN",
        "TOO_DEEP_AST",
        "TOO_BIG_AST",
        "UNEXPECTED_AST_STRUCTURE",
        "SYNTAX_ERROR",
        "INCORRECT_DATA",
        "TYPE_MISMATCH",
        "VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE",
    ),
    404: (
        "UNKNOWN_TABLE",
        "UNKNOWN_FUNCTION",
        "UNKNOWN_IDENTIFIER",
        "UNKNOWN_TYPE",
        "UNKNOWN_STORAGE",
        "UNKNOWN_DATABASE",
        "UNKNOWN_SETTING",
        "UNKNOWN_DIRECTION_OF_SORTING",
        "UNKNOWN_AGGREGATE_FUNCTION",
        "UNKNOWN_FORMAT",
        "UNKNOWN_DATABASE_ENGINE",
        "UNKNOWN_TYPE_OF_QUERY",
        "UNKNOWN_ROLE",
        "SESSION_NOT_FOUND",
    ),
    408: ("TIMEOUT_EXCEEDED",),
    411: ("HTTP_LENGTH_REQUIRED",),
    413: ("QUERY_IS_TOO_LARGE", "TOO_LARGE_REQUEST_BODY"),
    415: ("UNSUPPORTED_MEDIA_TYPE", "UNKNOWN_COMPRESSION_METHOD"),
    501: ("NOT_IMPLEMENTED",),
    503: ("SOCKET_TIMEOUT", "CANNOT_OPEN_FILE", "CANNOT_SCHEDULE_TASK", "TOO_MANY_SIMULTANEOUS_QUERIES"),
}
_STATUS_OF_NAME = {name: status for status, names in _STATUS.items() for name in names}

# ClickHouse: src/Common/ErrorCodes.cpp. Only what this process says in its own name.
_CODE_OF_NAME = {
    "BAD_ARGUMENTS": 36,
    "NOT_IMPLEMENTED": 48,
    "SYNTAX_ERROR": 62,
    "UNKNOWN_FORMAT": 73,
    "UNKNOWN_COMPRESSION_METHOD": 89,
    "INCORRECT_DATA": 117,
    "READONLY": 164,
    "TOO_MANY_SIMULTANEOUS_QUERIES": 202,
    "SOCKET_TIMEOUT": 209,
    "CHECKSUM_DOESNT_MATCH": 40,
    "CANNOT_DECOMPRESS": 271,
    "QUERY_IS_TOO_LARGE": 264,
    "SUPPORT_IS_DISABLED": 344,
    "QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING": 216,
    "SESSION_NOT_FOUND": 372,
    "SESSION_IS_LOCKED": 373,
    "INVALID_SESSION_TIMEOUT": 374,
    "QUERY_WAS_CANCELLED": 394,
    "ACCESS_DENIED": 497,
    "AUTHENTICATION_FAILED": 516,
    "TOO_LARGE_REQUEST_BODY": 307,
    "UNKNOWN_EXCEPTION": 1002,
}


class WarehouseError(Exception):
    """`str(error)` is the body ClickHouse would send: `Code: 62. DB::Exception: … (SYNTAX_ERROR)`."""

    def __init__(self, code: int, name: str, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.name = name

    @property
    def status(self) -> int:
        return _STATUS_OF_NAME.get(self.name, 500)


def refusal(name: str, message: str) -> WarehouseError:
    """An error of our own, in the engine's manner. `name` is one of ClickHouse's error names."""
    code = _CODE_OF_NAME[name]
    return WarehouseError(code, name, f"Code: {code}. DB::Exception: {message} ({name})")


def from_engine(error: Exception) -> WarehouseError:
    """The engine's exception with its own code and name; what carries none is UNKNOWN_EXCEPTION (1002)."""
    text = _NOT_THE_CLIENTS.sub("", str(error).strip())
    code = _CODE.search(text)
    if code is None:
        return refusal("UNKNOWN_EXCEPTION", text)
    text = text[code.start() :]
    names = _NAME.findall(text)
    return WarehouseError(int(code[1]), names[-1] if names else "", text)
