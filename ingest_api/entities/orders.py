"""Commands to entities: written to the log, decided by the worker, seen in our own view before they are answered."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from starlette.requests import HTTPConnection

from ingest_api.entities.views import EntityViews
from ingest_api.gate import Gate
from ingest_api.problems import Busy, Conflict, FieldError, Invalid, NotFound, Problem
from pipeline.clock import Clock
from pipeline.errors import Broken, LogUnavailable, Overloaded
from schemas.codec import Codec
from schemas.entity import Commanded, Decided, Entity
from schemas.topic import Topic

ANSWER_SECONDS = 10.0
SEEN_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Author:
    """Who wants it, and from where."""

    actor: str
    address: str | None = None


SYSTEM = Author("system:api")


class Rejection(Exception):
    """What the worker decided against: a stable code and a sentence. A route answers the codes that it knows; others
    become the problem `problem_of_rejection` says."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code, self.detail = code, detail


class Orders(Protocol):
    """Where commands go."""

    async def order(
        self,
        author: Author,
        kind: type[Entity],
        entity_id: str,
        command: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        expected_version: int | None = None,
    ) -> Decided:
        """What was decided; a read of the entity that follows, in this process, sees it.

        Raises Rejection; Busy, LogUnavailable or Overloaded where it is not decided (yet).
        """
        ...


class LogOrders:
    """Orders by the log."""

    def __init__(self, gate: Gate, topic: Topic, views: EntityViews, codec: Codec, clock: Clock) -> None:
        self._gate, self._topic, self._views, self._codec, self._clock = gate, topic, views, codec, clock

    async def order(
        self,
        author: Author,
        kind: type[Entity],
        entity_id: str,
        command: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        expected_version: int | None = None,
    ) -> Decided:
        event = commanded(author, kind, entity_id, command, arguments or {}, expected_version, self._clock())
        inquiry = self._gate.send(self._topic, entity_id, [event], author.actor, None, len(event.arguments))
        try:
            [reply] = await inquiry.complete(ANSWER_SECONDS)
        except TimeoutError:
            told = {"request_id": inquiry.request_id}
            raise Busy("The change is taken and not decided yet: look again in a while", 5, told) from None
        if reply.reason is not None:
            raise Broken(f"{kind.KIND}.{command} was refused: {reply.reason}: {reply.detail}")
        decided = self._codec.decode(reply.answer or b"", Decided)
        await self._seen(kind, decided, reply.source_offset)
        if decided.rejection is not None:
            raise Rejection(decided.rejection, decided.detail or "")
        return decided

    async def _seen(self, kind: type[Entity], decided: Decided, offset: int) -> None:
        """Until our view is as far: at that version, or past it, or without the entity."""

        def caught_up(entries: Mapping[str, Entity]) -> bool:
            entity = entries.get(decided.entity_id)
            if decided.version is None:
                return entity is None or entity.source_offset > offset
            # Gone: deleted by a later command.
            return (entity is None and decided.version > 1) or (
                entity is not None and entity.version >= decided.version
            )

        if not await self._views.of(kind).until(caught_up, SEEN_SECONDS):
            raise Busy("The change is made, and this server does not see it yet: look again in a while", 1)


def commanded(
    author: Author,
    kind: type[Entity],
    entity_id: str,
    command: str,
    arguments: Mapping[str, Any],
    expected_version: int | None,
    now: int,
) -> Commanded:
    text = json.dumps(arguments, separators=(",", ":"))
    return Commanded(kind.KIND, entity_id, command, text, expected_version, author.actor, author.address, now)


def new_id() -> str:
    """Of an entity: 96 random bits."""
    return secrets.token_hex(12)


def problem_of_rejection(rejection: Rejection) -> Problem:
    """What most routes answer."""
    code, detail = rejection.code, rejection.detail
    if code == "not_found":
        return NotFound(detail)
    if code in ("permission_missing", "session_required", "actor_unknown"):
        return Problem(403, "AUTHORIZATION_ERROR", detail, reason=code.upper())
    if code.endswith("_unknown"):
        return Invalid([FieldError(code.removesuffix("_unknown"), detail)])
    return Conflict(detail, {"reason": code}, reason=code.upper())


def author_of(connection: HTTPConnection, actor: str) -> Author:
    """`actor` from the address of the connection. The command carries its own audit."""
    connection.state.audited = True
    return Author(actor, connection.client.host if connection.client else None)


NOT_DECIDED = (Busy, LogUnavailable, Overloaded)
