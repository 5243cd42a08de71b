"""A Schema Registry over HTTP: the writing half of its API as `thalweg schemas push` needs it, with its rules on modes
and ids (Confluent's reference, version 7)."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

Answer = tuple[int, Any]


@dataclass
class RegistryDouble:
    """`subjects` holds version -> id, `schemas` id -> text, `modes` the mode of a subject that has its own."""

    url: str = ""
    subjects: dict[str, dict[int, int]] = field(default_factory=dict)
    schemas: dict[int, str] = field(default_factory=dict)
    modes: dict[str, str] = field(default_factory=dict)
    writes: list[str] = field(default_factory=list)
    mutable: bool = True
    fails_at: str | None = None
    """Registering under this subject answers 500."""

    def answer(self, method: str, path: str, query: str, body: Any) -> Answer:
        if method != "GET":
            self.writes.append(f"{method} {path}")
        for pattern, act in (
            (r"/schemas/ids/(\d+)", self._schema),
            (r"/subjects/([^/]+)/versions/(\d+)", self._version),
            (r"/subjects/([^/]+)/versions", self._versions),
            (r"/mode/([^/]+)", self._mode),
        ):
            match = re.fullmatch(pattern, path)
            if match is not None:
                return act(method, query, body, *map(unquote, match.groups()))
        return 404, {"error_code": 404, "message": "HTTP 404 Not Found"}

    def _schema(self, method: str, query: str, body: Any, schema_id: str) -> Answer:
        if int(schema_id) not in self.schemas:
            return 404, {"error_code": 40403, "message": f"Schema {schema_id} not found"}
        return 200, {"schema": self.schemas[int(schema_id)]}

    def _version(self, method: str, query: str, body: Any, subject: str, version: str) -> Answer:
        if subject not in self.subjects:
            return 404, {"error_code": 40401, "message": f"Subject '{subject}' not found."}
        if int(version) not in self.subjects[subject]:
            return 404, {"error_code": 40402, "message": f"Version {version} not found."}
        held = self.subjects[subject][int(version)]
        return 200, {"subject": subject, "version": int(version), "id": held, "schema": self.schemas[held]}

    def _versions(self, method: str, query: str, body: Any, subject: str) -> Answer:
        if method != "GET":
            return self._register(method, query, body, subject)
        if subject not in self.subjects:
            return 404, {"error_code": 40401, "message": f"Subject '{subject}' not found."}
        return 200, sorted(self.subjects[subject])

    def _register(self, method: str, query: str, body: Any, subject: str) -> Answer:
        if self.fails_at == subject:
            return 500, {"error_code": 50001, "message": "Error in the backend data store"}
        if "id" in body and self.modes.get(subject) != "IMPORT":
            return 422, {"error_code": 42205, "message": f"Subject {subject} is not in import mode"}
        if self.schemas.get(body["id"], body["schema"]) != body["schema"]:
            return 422, {"error_code": 42207, "message": f"Overwrite new schema with id {body['id']} is not permitted."}
        self.schemas[body["id"]] = body["schema"]
        self.subjects.setdefault(subject, {})[body["version"]] = body["id"]
        return 200, {"id": body["id"]}

    def _mode(self, method: str, query: str, body: Any, subject: str) -> Answer:
        if method == "GET":
            if subject not in self.modes:
                return 404, {"error_code": 40409, "message": f"Subject '{subject}' does not have subject-level mode"}
            return 200, {"mode": self.modes[subject]}
        if not self.mutable:
            return 422, {"error_code": 42205, "message": "Mode changes are not allowed"}
        if method == "DELETE":
            return 200, {"mode": self.modes.pop(subject)}
        if body["mode"] == "IMPORT" and subject in self.subjects and "force=true" not in query:
            return 422, {"error_code": 42205, "message": "Cannot import since found existing subjects"}
        self.modes[subject] = body["mode"]
        return 200, body


@contextmanager
def serving() -> Iterator[RegistryDouble]:
    """Listens on a port of its own until the end."""
    double = RegistryDouble()

    class Exchange(BaseHTTPRequestHandler):
        def _do(self) -> None:
            parts = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            status, content = double.answer(self.command, parts.path, parts.query, body)
            raw = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        do_GET = do_POST = do_PUT = do_DELETE = _do  # noqa: N815 (the names http.server looks for)

        def log_message(self, format: str, *arguments: object) -> None:
            """Tests are quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Exchange)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    double.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield double
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
