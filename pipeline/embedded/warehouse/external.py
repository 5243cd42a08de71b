"""Tables that a request brings along as multipart form data: temporary, gone with the request.

As in ClickHouse: a file named `t` with fields `t_format` (TabSeparated) and `t_structure` ("a Int8, b String") or
`t_types` ("Int8, String", for columns _1, _2, …).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.datastructures import QueryParams, UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import Request

from pipeline.embedded.warehouse import refusals
from pipeline.embedded.warehouse.engine import Handle
from pipeline.embedded.warehouse.errors import refusal
from pipeline.embedded.warehouse.lexer import Token, tokens
from pipeline.embedded.warehouse.settings import Limits
from pipeline.embedded.warehouse.statement import read_statement
from pipeline.embedded.warehouse.users import Role

_FILES = 16
_FIELDS = 1000
_SUFFIXES = ("_format", "_structure", "_types")


@dataclass(frozen=True)
class ExternalTable:
    name: str
    format: str
    structure: str
    data: bytes

    def create(self, handle: Handle) -> None:
        """Makes the table in this handle's session. Its structure is the client's text: checked like a statement."""
        statement = read_statement(f"CREATE TEMPORARY TABLE {_quoted(self.name)} ({self.structure})".encode())
        if not _encloses(statement.tokens):
            raise refusal("BAD_ARGUMENTS", f"The structure of external table {self.name} is not a list of columns")
        refusals.check(statement, Role.OWNER)
        handle.run(statement.text + " ENGINE = Memory")
        handle.insert(f"INSERT INTO {_quoted(self.name)}", self.format, [self.data])


def is_multipart(request: Request) -> bool:
    return request.headers.get("content-type", "").lower().startswith("multipart/form-data")


async def read_form(request: Request, limits: Limits) -> tuple[QueryParams, list[ExternalTable]]:
    """The fields of URL and form together, the URL's first, and the tables brought along. `request` bounds its own
    size. Raises BAD_ARGUMENTS."""
    try:
        async with request.form(max_files=_FILES, max_fields=_FIELDS, max_part_size=limits.query) as form:
            texts = {name: value for name, value in form.items() if isinstance(value, str)}
            files = {name: await value.read() for name, value in form.items() if isinstance(value, UploadFile)}
    except MultiPartException as error:
        raise refusal("BAD_ARGUMENTS", f"The multipart form cannot be read: {error.message}") from error
    described = {**texts, **dict(request.query_params)}
    tables = [_table(name, described, data) for name, data in files.items()]
    about_tables = {name + suffix for name in files for suffix in _SUFFIXES}
    return QueryParams({name: value for name, value in described.items() if name not in about_tables}), tables


def _table(name: str, fields: Mapping[str, str], data: bytes) -> ExternalTable:
    structure = fields.get(f"{name}_structure", "")
    types = fields.get(f"{name}_types", "")
    if not structure and types:
        structure = ", ".join(f"_{number} {kind}" for number, kind in enumerate(_split(types), start=1))
    if not structure:
        raise refusal("BAD_ARGUMENTS", f"External table {name} needs the field {name}_structure or {name}_types")
    return ExternalTable(name, fields.get(f"{name}_format", "TabSeparated"), structure, data)


def _split(types: str) -> list[str]:
    """Cut at the commas outside brackets."""
    text = types.encode()
    cuts, depth = [0], 0
    for token in tokens(text):
        depth += token.is_sign("(") - token.is_sign(")")
        if depth == 0 and token.is_sign(","):
            cuts.append(token.end)
    ends = [cut - 1 for cut in cuts[1:]] + [len(text)]
    return [text[start:end].decode() for start, end in zip(cuts, ends, strict=True)]


def _encloses(read: tuple[Token, ...]) -> bool:
    """Whether the bracket after the table's name closes with the very last token."""
    depth = 0
    for token in read[4:]:
        depth += token.is_sign("(") - token.is_sign(")")
        if depth == 0:
            return token is read[-1]
    return False


def _quoted(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace("`", "\\`")
    return f"`{escaped}`"
