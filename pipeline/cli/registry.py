"""A Schema Registry to write to: what it holds, and registering under given ids (Confluent's reference, version 7)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from pipeline.errors import Failure, Misconfigured, Unavailable
from schemas.registry import Registry, Schema, canonical

MEDIA_TYPE = "application/vnd.schemaregistry.v1+json"
NO_MODE = 40409
"""The error code of a subject without a mode of its own."""


class State(StrEnum):
    THERE = "there"
    MISSING = "missing"
    CONFLICT = "conflict"


@dataclass(frozen=True, slots=True)
class Wish:
    """A schema that a subject should hold as `version`, and how that is now."""

    subject: str
    version: int
    schema: Schema
    state: State
    told: str


class Registrar:
    """A client of one registry. Raises Misconfigured for a URL that is none, Unavailable where nobody answers, Failure
    for what the registry refuses; messages hold no password."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Misconfigured("a registry's URL has the form http(s)://[user:password@]host[:port]")
        self._where = f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}"
        self._client = httpx.Client(base_url=url, timeout=10, headers={"Accept": MEDIA_TYPE})

    def __enter__(self) -> Registrar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def compare(self, registry: Registry) -> list[Wish]:
        """Every version of every subject of ours, beside what is there."""
        return [
            self._wish(subject, version, registry.schemas[schema_id])
            for subject, ids in registry.subjects.items()
            for version, schema_id in enumerate(ids, 1)
        ]

    def register(self, wishes: Sequence[Wish]) -> None:
        """Writes them, each under its own id and version."""
        for subject in dict.fromkeys(wish.subject for wish in wishes):
            with self._importing(subject):
                for wish in wishes:
                    if wish.subject == subject:
                        self._write(wish)

    def _wish(self, subject: str, version: int, schema: Schema) -> Wish:
        there = self._get(f"/subjects/{_path(subject)}/versions/{version}")
        if there is not None:
            if there["id"] == schema.id and canonical(there["schema"]) == canonical(schema.text):
                return Wish(subject, version, schema, State.THERE, "yes")
            what = f"id {there['id']}" if there["id"] != schema.id else "another schema under this id"
            return Wish(subject, version, schema, State.CONFLICT, f"version {version} is {what}")
        held = self._get(f"/schemas/ids/{schema.id}")
        if held is not None and canonical(held["schema"]) != canonical(schema.text):
            return Wish(subject, version, schema, State.CONFLICT, f"id {schema.id} is another schema")
        return Wish(subject, version, schema, State.MISSING, "no")

    @contextmanager
    def _importing(self, subject: str) -> Iterator[None]:
        """IMPORT mode lets a schema come with its id; the subject's own mode is put back whatever happens."""
        place = f"/mode/{_path(subject)}"
        before = self._get(place, absent=(NO_MODE,))
        # `force`: a subject that has earlier versions may be written to as well.
        self._send("PUT", place, {"mode": "IMPORT"}, {"force": "true"})
        try:
            yield
        finally:
            if before is None:
                self._send("DELETE", place)
            else:
                self._send("PUT", place, {"mode": before["mode"]}, {"force": "true"})

    def _write(self, wish: Wish) -> None:
        body = {"schema": wish.schema.text, "schemaType": "AVRO", "id": wish.schema.id, "version": wish.version}
        answer = self._send("POST", f"/subjects/{_path(wish.subject)}/versions", body)
        if answer["id"] != wish.schema.id:
            raise Failure(f"{self._where} gave {wish.subject} the id {answer['id']}, not {wish.schema.id}")

    def _get(self, path: str, absent: Sequence[int] = (40401, 40402, 40403)) -> Any:
        """None where the registry says, by one of these codes, that there is no such thing."""
        response = self._ask("GET", path)
        if response.status_code == 404 and _code(response) in absent:
            return None
        return self._content(response)

    def _send(self, method: str, path: str, body: Any = None, parameters: dict[str, str] | None = None) -> Any:
        return self._content(self._ask(method, path, json=body, params=parameters))

    def _ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        try:
            return self._client.request(method, path, **more)
        except httpx.TransportError as error:
            raise Unavailable(f"no schema registry answers at {self._where}: {error}") from error

    def _content(self, response: httpx.Response) -> Any:
        if response.status_code in (401, 403):
            raise Misconfigured(
                f"{self._where} does not let us in ({response.status_code}): put user:password@ in its URL"
            )
        if response.status_code == 405 or _code(response) == 42205:
            raise Misconfigured(f"{self._where} does not let modes be changed or schemas be written: {_said(response)}")
        if not response.is_success:
            raise Failure(f"{self._where} answered {response.status_code}: {_said(response)}")
        try:
            return response.json()
        except ValueError as error:
            raise Misconfigured(f"{self._where} answers, but not as a schema registry does") from error


def _path(subject: str) -> str:
    return quote(subject, safe="")


def _code(response: httpx.Response) -> int | None:
    try:
        content = response.json()
    except ValueError:
        return None
    return content.get("error_code") if isinstance(content, dict) else None


def _said(response: httpx.Response) -> str:
    try:
        return str(response.json()["message"])[:300]
    except (ValueError, KeyError, TypeError):
        return response.text[:100]
