"""What a request of ClickHouse's HTTP interface asks for, read from its line, headers and form fields."""

from __future__ import annotations

import base64
import binascii
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from starlette.datastructures import Headers, QueryParams

from pipeline.embedded.warehouse.compression import choose
from pipeline.embedded.warehouse.errors import refusal
from pipeline.embedded.warehouse.execution import SessionUse
from pipeline.embedded.warehouse.names import words
from pipeline.embedded.warehouse.refusals import check_setting
from pipeline.embedded.warehouse.settings import Limits
from pipeline.embedded.warehouse.users import Account

# What the interface takes for itself, or what has no meaning for an engine in the same process.
_OWN = words(
    """
    query database user password quota_key default_format query_id session_id session_timeout session_check
    close_session compress decompress enable_http_compression buffer_size wait_end_of_query client_protocol_version
    http_write_exception_in_output_format stacktrace role add_http_cors_header log_comment http_zlib_compression_level
    send_progress_in_http_headers http_headers_progress_interval_ms cancel_http_readonly_queries_on_client_close
    http_response_buffer_size network_compression_method session_timezone_from_client
    """
)
_NAME_LENGTH = 1000


@dataclass(frozen=True)
class Credentials:
    user: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class Ask:
    """One request, without its body. `query` is the text from the URL (or form), which the body continues."""

    credentials: Credentials
    query: bytes
    query_id: str
    database: str | None
    output: str | None
    settings: Mapping[str, str]
    parameters: Mapping[str, str]
    read_only: bool
    whole: bool
    coding: str | None
    framed_answer: bool
    framed_body: bool
    body_coding: str
    revision: int
    session: SessionUse | None
    ends_session: bool

    def for_account(self, account: Account) -> Ask:
        """With the account's own sessions."""
        session = self.session and replace(self.session, key=(account.name, self.session.key[1]))
        return replace(self, session=session)


def read_request(method: str, headers: Headers, fields: QueryParams, limits: Limits) -> Ask:
    """Raises WarehouseError for what cannot be understood."""
    for name in ("query_id", "session_id", "database", "default_format"):
        if len(fields.get(name, "")) > _NAME_LENGTH:
            raise refusal("BAD_ARGUMENTS", f"{name} has more than {_NAME_LENGTH} characters")
    settings = {name: value for name, value in fields.items() if name not in _OWN and not name.startswith("param_")}
    for name in settings:
        check_setting(name)
    return Ask(
        credentials=_credentials(headers, fields),
        query=fields.get("query", "").encode("utf-8", "surrogateescape"),
        query_id=fields.get("query_id") or headers.get("x-clickhouse-query-id") or str(uuid.uuid4()),
        database=fields.get("database") or headers.get("x-clickhouse-database"),
        output=headers.get("x-clickhouse-format") or fields.get("default_format"),
        settings=settings,
        parameters={name[6:]: value for name, value in fields.items() if name.startswith("param_")},
        read_only=method != "POST",
        whole=_flag(fields, "wait_end_of_query"),
        coding=choose(headers.get("accept-encoding", "")) if _flag(fields, "enable_http_compression") else None,
        framed_answer=_flag(fields, "compress"),
        framed_body=_flag(fields, "decompress"),
        body_coding=headers.get("content-encoding", ""),
        revision=_number(fields, "client_protocol_version", 0, 1 << 31),
        session=_session(fields, limits),
        ends_session=_flag(fields, "close_session"),
    )


def _credentials(headers: Headers, fields: QueryParams) -> Credentials:
    """ClickHouse's headers, then basic authentication, then the URL."""
    if "x-clickhouse-user" in headers or "x-clickhouse-key" in headers:
        return Credentials(headers.get("x-clickhouse-user", "default"), headers.get("x-clickhouse-key", ""))
    scheme, _, encoded = headers.get("authorization", "").partition(" ")
    if scheme:
        if scheme.lower() != "basic":
            raise refusal("AUTHENTICATION_FAILED", f"{scheme} authentication is not known here; use Basic")
        try:
            user, _, password = base64.b64decode(encoded, validate=True).decode("utf-8").partition(":")
        except (binascii.Error, UnicodeDecodeError) as error:
            raise refusal("AUTHENTICATION_FAILED", "the Authorization header cannot be decoded") from error
        return Credentials(user, password)
    return Credentials(fields.get("user", "default"), fields.get("password", ""))


def _session(fields: QueryParams, limits: Limits) -> SessionUse | None:
    name = fields.get("session_id", "")
    if not name:
        return None
    timeout = _number(fields, "session_timeout", limits.session_timeout, limits.session_timeout_max)
    return SessionUse(("", name), timeout, _flag(fields, "session_check"))


def _flag(fields: QueryParams, name: str) -> bool:
    return fields.get(name, "0").lower() in ("1", "true")


def _number(fields: QueryParams, name: str, default: int, most: int) -> int:
    text = fields.get(name, "")
    if not text:
        return default
    if not text.isdecimal() or int(text) > most:
        fault = "INVALID_SESSION_TIMEOUT" if name == "session_timeout" else "BAD_ARGUMENTS"
        raise refusal(fault, f"{name} must be a whole number of at most {most}")
    return int(text)
