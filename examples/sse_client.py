"""Live updates over server-sent events, resumed where the last run left off.

    python examples/sse_client.py [--stream S] [--count N] [--cursor FILE]

Reads API (http://127.0.0.1:8000) and TOKEN (an access token, or an API key in KEY) from the environment.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator
from pathlib import Path

import httpx

API = os.environ.get("API", "http://127.0.0.1:8000")


def credential() -> dict[str, str]:
    if key := os.environ.get("KEY"):
        return {"X-API-Key": key}
    return {"Authorization": f"Bearer {os.environ['TOKEN']}"}


def events(lines: Iterator[str]) -> Iterator[tuple[str, str, str | None]]:
    """(type, data, id) of each event of a stream, as the HTML Standard (9.2, Server-sent events) parses it."""
    kind, identity = "message", None
    data: list[str] = []
    for line in lines:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            if data:
                yield kind, "\n".join(data), identity
            kind, data = "message", []
        elif name == "event":
            kind = value
        elif name == "data":
            data.append(value)
        elif name == "id":
            identity = value


def main() -> None:
    parser = argparse.ArgumentParser(description="Print live updates.")
    parser.add_argument("--stream", action="append", help="only this stream; may be given again")
    parser.add_argument("--count", type=int, default=0, help="end after so many updates; 0: go on until Ctrl-C")
    parser.add_argument("--cursor", type=Path, help="a file: where the last id is kept, to resume from")
    given = parser.parse_args()

    headers = credential()
    if given.cursor and given.cursor.exists():
        headers["Last-Event-ID"] = given.cursor.read_text()
    asked = {"topics": "clusters,drift,outliers", "snapshot": "true", "stream": given.stream or []}
    told = 0
    with httpx.stream("GET", f"{API}/api/v1/events", params=asked, headers=headers, timeout=60) as answer:
        answer.raise_for_status()
        for kind, data, identity in events(answer.iter_lines()):
            if given.cursor and identity:
                given.cursor.write_text(identity)
            body = json.loads(data)["data"] if data else {}
            if kind in ("cluster_update", "drift_detection", "outliers_detected", "gap"):
                print(kind, json.dumps(body)[:160])
                told += 1
            if kind == "bye" or told == given.count > 0:
                return


if __name__ == "__main__":
    main()
