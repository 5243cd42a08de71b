"""Every operation of the running API, with requests made from its own description: answers are as described."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import httpx
import jwt
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case
from schemathesis.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from ingest_api.accounts.tokens import Tokens, Use
from ingest_api.auth import Entry
from ingest_api.entities.orders import SYSTEM, commanded
from ingest_api.openapi import guard_of
from pipeline.clock import now
from pipeline.kafka.producer import Producer
from pipeline.kafka.view import View
from pipeline.signatures import Signatures
from schemas.accounts.topics import COMMANDED, USERS
from schemas.accounts.users import User
from schemas.codec import Codec
from schemas.permissions import SCOPES
from tests.budget import PATIENCE, examples
from tests.every.test_every_route import DOCUMENT, assert_enveloped, route_at
from tests.flow.stack import JWT_SECRETS, Stack
from tests.inside import INSIDE

pytestmark = [pytest.mark.flow, pytest.mark.timeout(PATIENCE)]

KID, SECRET = JWT_SECRETS.split(":")
NO_HTTP = "Invalid HTTP request received."
"""Said in plain text, since there is no request that had a path."""
DESCRIBES_ITSELF = ("/docs", "/openapi.json")
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT).exclude(path="/api/v1/events")  # that never ends: see test_events


def token(stack: Stack) -> str:
    """The administrator's, of a session that is open: what is tried may end any."""
    held = HELD.get(stack.api.url)
    if held is None or _me(stack, held) != 200:
        held = HELD[stack.api.url] = asyncio.run(session(stack))
    return held


HELD: dict[str, str] = {}


def _me(stack: Stack, held: str) -> int:
    return httpx.get(f"{stack.api.url}/auth/me", headers={"Authorization": f"Bearer {held}"}, timeout=60).status_code


async def session(stack: Stack) -> str:
    """Opened by a command, not by a login: whatever has been done to the user's password, and with wrong ones."""
    codec, name, access = Codec(), f"fuzz{now()}", f"access{now()}"
    view = View(stack.kafka, "fuzz-sessions", USERS, User, codec, order=lambda user: user.source_offset)
    producer = Producer(stack.kafka, "fuzz", signatures=Signatures.from_environment(stack.told))
    await view.start(1)
    try:
        given = {"id": name, "digest": name, "access_id": access, "expires_at": now() + 3_600_000_000}
        given |= {"password_changed_at": view.entries["admin"].password_changed_at}
        command = commanded(SYSTEM, User, "admin", "open_session", given, None, now())
        await producer.send(COMMANDED.name, codec.encode(command), key=b"admin")
        assert await view.until(lambda users: users["admin"].session(name) is not None, 30)
    finally:
        await producer.close()
        await view.stop()
    made = Tokens({KID: SECRET}, now).issue("user:admin", tuple(SCOPES), token_id=access, session=name)
    while _me(stack, made) != 200:  # noqa: ASYNC110  (the API's view tells nobody)
        await asyncio.sleep(0.05)
    return made


def check(path: str, answer: httpx.Response) -> None:
    """What every answer fulfils, whatever it was asked."""
    text = answer.content.decode()
    assert answer.status_code < 500 or "Retry-After" in answer.headers or "components" in text, text
    if path not in DESCRIBES_ITSELF:
        assert INSIDE.search(text) is None, text
    if answer.status_code >= 400 and "components" not in text and text != NO_HTTP:
        assert_enveloped(path, answer)


@SCHEMA.parametrize()
@settings(max_examples=examples(10), suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.generate])
def test_an_operation_answers_as_described(case: Case[Any], stack: Stack) -> None:
    headers = {"Authorization": f"Bearer {token(stack)}"} if "Authorization" not in (case.headers or {}) else {}
    answer = case.call(base_url=stack.api.url, headers=headers, timeout=60)
    if answer.status_code != 405:  # which no operation lists, since it has none
        case.validate_response(
            answer,
            checks=[
                status_code_conformance,
                content_type_conformance,
                response_headers_conformance,
                response_schema_conformance,
            ],
        )
    pairs = [(name, value) for name, values in answer.headers.items() for value in values]
    check(case.path, httpx.Response(answer.status_code, headers=pairs, content=answer.content))


GUARDED = sorted(
    (path, method)
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
    if "security" in operation
)


def guard_at(path: str, method: str) -> tuple[Entry, str | None]:
    guard = guard_of(route_at(method.upper(), path))
    return guard.entry, guard.permission


ONE_EACH = {guard_at(path, method): (path, method) for path, method in GUARDED}.values()
"""A route of each guard: which credential is good is decided there, for all of its routes."""
PLAIN = ("none", "signed by another", "a user nobody knows", "key other")
CLAIMS: dict[str, object] = {
    "iss": "thalweg",
    "aud": "thalweg-api",
    "sub": "user:admin",
    "scope": "read write admin",
    "iat": 1,
    "exp": 2**53,
    "jti": "x",
}
HEADER = {"kid": KID, "typ": Use.ACCESS}


def made(claims: dict[str, object], secret: str = SECRET, algorithm: str = "HS256", **header: object) -> str:
    return jwt.encode(claims, secret, algorithm, headers=HEADER | header)


def forged(stack: Stack) -> dict[str, dict[str, str]]:
    """Credentials that open nothing, as headers."""
    true = token(stack)
    head, body, signature = true.split(".")
    deep = "eyJhIjo" + "W1tb" * 10_000
    tokens = {
        "expired": made(CLAIMS | {"exp": 2}),
        "not signed": made(CLAIMS, "", "none"),
        "signed by another": made(CLAIMS, "x" * 32),
        "another algorithm": made(CLAIMS, SECRET * 2, "HS512"),
        "another audience": made(CLAIMS | {"aud": "elsewhere"}),
        "another issuer": made(CLAIMS | {"iss": "elsewhere"}),
        "another key": made(CLAIMS, kid="../../dev/null"),
        "no subject": made({name: value for name, value in CLAIMS.items() if name != "sub"}),
        "a user nobody knows": made(CLAIMS | {"sub": "user:nobody"}),
        "cut": true[:-5],
        "without a signature": f"{head}.{body}.",
        "another's signature": f"{head}.{body}.{signature[::-1]}",
        "nested": f"{deep}.{body}.{signature}",
        "longer": true * 20,
        "not even ASCII": "\xff\xfe.\xfd.\xfc",
    }
    bearers = {name: {"Authorization": f"Bearer {each}"} for name, each in tokens.items()}
    key = stack.keys["writer"]
    keys = {
        name: {"X-API-Key": each} for name, each in (("cut", key[:-1]), ("other", "ncs_" + "0" * 32), ("odd", "\xff"))
    }
    others = {"none": {}, "basic": {"Authorization": "Basic YWRtaW46YWRtaW4="}, "bare": {"Authorization": true}}
    return bearers | {f"key {name}": each for name, each in keys.items()} | others


@pytest.mark.parametrize(("path", "method"), GUARDED)
def test_no_forged_credential_opens_anything(path: str, method: str, stack: Stack, http: httpx.Client) -> None:
    credentials = forged(stack)
    for name in credentials if (path, method) in ONE_EACH else PLAIN:
        headers = credentials[name]
        raw = {key.encode(): value.encode("latin-1") for key, value in headers.items()}
        answer = http.request(method, re.sub(r"{[^}]+}", "1", path), headers=raw)
        assert answer.status_code == 401, f"{name}: {answer.text}"
        check(path, answer)


@settings(max_examples=examples(60), suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_token_with_anything_changed_opens_nothing(stack: Stack, http: httpx.Client, data: st.DataObject) -> None:
    true = token(stack)
    at = data.draw(st.integers(0, true.rindex(".") - 1))  # a signature in base64 has bits that say nothing
    put = data.draw(st.text('ABCXYZabcxyz0189-_.=+/ {}"\\', max_size=3))
    changed = true[:at] + put + true[at + data.draw(st.integers(0, 3)) :]
    if changed.strip() != true:
        answer = http.get("/auth/me", headers={b"Authorization": b"Bearer " + changed.encode()})
        assert answer.status_code == 401, changed
