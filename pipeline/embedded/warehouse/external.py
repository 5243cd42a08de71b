"""Tables that a request brings along as multipart form data: temporary, gone with the request.

As in ClickHouse: a file named `t` with fields `t_format` (TabSeparated) and `t_structure` ("a Int8, b String") or
`t_types` ("Int8, String", for columns _1, _2, …).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from starlette.datastructures import QueryParams, UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import Request

from pipeline.embedded.warehouse.engine import Format, Handle
from pipeline.embedded.warehouse.errors import refusal
from pipeline.embedded.warehouse.settings import Limits
from pipeline.embedded.warehouse.structure import read_columns, read_types

_FILES = 16
_FIELDS = 1000
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
_SUFFIXES = ("_format", "_structure", "_types")


@dataclass(frozen=True)
class ExternalTable:
    """As the client described it: nothing of it has been read yet."""

    name: str
    format: str
    structure: str
    types: str
    data: bytes

    def read(self, known: Callable[[str], Format]) -> TemporaryTable:
        """What the engine is told of it, all of it written anew. Raises BAD_ARGUMENTS, and what `known` raises."""
        if not _NAME.fullmatch(self.name):
            raise refusal("BAD_ARGUMENTS", "The name of an external table is letters, digits and _, at most 100")
        if self.structure:
            columns = read_columns(self.structure)
        elif self.types:
            columns = read_types(self.types)
        else:
            raise refusal("BAD_ARGUMENTS", f"External table {self.name} needs field {self.name}_structure or _types")
        return TemporaryTable(self.name, columns, known(self.format), self.data)


@dataclass(frozen=True)
class TemporaryTable:
    name: str
    columns: str
    format: Format
    data: bytes

    def create(self, handle: Handle) -> None:
        """Makes the table in this handle's session, with the rights of that handle."""
        handle.run(f"CREATE TEMPORARY TABLE `{self.name}` ({self.columns}) ENGINE = Memory")
        handle.insert(f"INSERT INTO `{self.name}`", self.format.name, [self.data])


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
    structure, types = fields.get(f"{name}_structure", ""), fields.get(f"{name}_types", "")
    return ExternalTable(name, fields.get(f"{name}_format", "TabSeparated"), structure, types, data)
