"""The API's own description: what FastAPI derives from the routes, made true where it cannot know better."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute, iter_route_contexts

from ingest_api.auth import Entry, Guard
from ingest_api.envelopes import STANDARD, Envelope, possible_for
from pipeline.errors import Broken

Document = dict[str, Any]

_SCHEMES: Document = {
    "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "From POST /auth/login"},
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}
_REQUEST_ID: Document = {
    "name": "X-Request-ID",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"},
    "description": "What the answer and our log call this request; one is made where this is absent or no such text.",
}
_BODY_ERRORS = {
    "400": "Not readable",
    "408": "Too slow",
    "413": "Too large",
    "415": "Compressed",
    "422": "Fields that cannot be used",
}


def guard_of(route: APIRoute) -> Guard:
    """The guard a route declares. Raises Broken for a route that does not say who may use it, or says it twice."""
    guards = [each.call for each in route.dependant.dependencies if isinstance(each.call, Guard)]
    if len(guards) != 1:
        raise Broken(f"{route.path} must depend on one of auth.may, auth.authenticated, auth.public")
    return guards[0]


def routes_of(app: FastAPI) -> Iterator[APIRoute]:
    """Every HTTP route that the application serves."""
    for context in iter_route_contexts(app.routes):
        if isinstance(context.original_route, APIRoute):
            yield context.original_route


def document(app: FastAPI, envelopes: Sequence[Envelope]) -> Document:
    """OpenAPI 3.1, with security, each family's error envelope, limits and nested body models."""
    made = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    components = made.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    schemas.update((envelope.name, envelope.schema) for envelope in (*envelopes, STANDARD))
    components["securitySchemes"] = _SCHEMES
    for route in routes_of(app):
        for method in route.methods or ():
            operation = made["paths"].get(route.path_format, {}).get(method.lower())
            if operation is not None:
                _describe(operation, guard_of(route), possible_for(route.path, envelopes), schemas)
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    return made


def _describe(operation: Document, guard: Guard, envelopes: Sequence[Envelope], schemas: Document) -> None:
    if "requestBody" in operation:
        _hoist(operation["requestBody"], schemas)
    operation["responses"] = _responses(operation, guard, envelopes)
    operation.setdefault("parameters", []).append(_REQUEST_ID)
    if guard.entry is not Entry.ANYONE:
        operation["security"] = [{"token": []}, {"key": []}]


def _responses(operation: Document, guard: Guard, envelopes: Sequence[Envelope]) -> Document:
    """Those that the route declares, and its errors, each in every envelope it may have there."""
    made: Document = {status: each for status, each in operation["responses"].items() if status < "400"}
    declared = {status: each for status, each in operation["responses"].items() if _is_error(status, each)}
    meanings = {**dict(_errors(operation, guard)), **{status: each["description"] for status, each in declared.items()}}
    for status, meaning in meanings.items():
        for envelope in envelopes:
            told = {**declared.get(status, {}), "description": meaning, "content": {}}
            response = made.setdefault(str(envelope.status_of(int(status))), told)
            if meaning not in response["description"]:
                response["description"] += f". {meaning}"
            _may_be(response["content"], envelope)
    for status, each in declared.items():
        for media_type, content in each.get("content", {}).items():
            own = made[str(envelopes[0].status_of(int(status)))]["content"]
            _join(own.setdefault(media_type, {}), content["schema"])
    return made


def _is_error(status: str, response: Document) -> bool:
    """FastAPI adds a 422 of its own, which is not how fields are answered here."""
    return status >= "400" and "HTTPValidationError" not in str(response)


def _may_be(content: Document, envelope: Envelope) -> None:
    _join(content.setdefault(envelope.media_type, {}), {"$ref": f"#/components/schemas/{envelope.name}"})


def _join(content: Document, schema: Document) -> None:
    """Lets what is described be as `schema` says, too."""
    there = content.get("schema")
    choices = there.get("anyOf", [there]) if there else []
    if schema not in choices:
        content["schema"] = {"anyOf": [*choices, schema]} if choices else schema


def _errors(operation: Document, guard: Guard) -> Iterator[tuple[str, str]]:
    if "requestBody" in operation:
        yield from _BODY_ERRORS.items()
    elif operation.get("parameters"):
        yield "422", _BODY_ERRORS["422"]
    if guard.entry is not Entry.ANYONE:
        yield "401", "Authentication required"
    if guard.permission is not None:
        yield "403", f"Needs the permission {guard.permission}"
    if guard.limited:
        yield "429", "Rate limit exceeded; Retry-After says when to come back"
    yield "500", "Failed inside the server"
    yield "503", "A part of the system is away or at its limit; Retry-After says when to come back"


def _hoist(body: Document, schemas: Document) -> None:
    """Moves models to where others refer to them: those nested, which pydantic puts inside, and the body's own, which
    would have no name for generated clients, or one for each of its media types."""
    for content in body["content"].values():
        schema = content["schema"]
        for name, nested in schema.pop("$defs", {}).items():
            _add(schemas, name, nested)
        if "title" in schema:
            _add(schemas, schema["title"], schema)
            content["schema"] = {"$ref": f"#/components/schemas/{schema['title']}"}


def _add(schemas: Document, name: str, schema: Document) -> None:
    """Raises Broken where another model has the name."""
    if schemas.setdefault(name, schema) != schema:
        raise Broken(f"two models of the API's description are called {name}")
