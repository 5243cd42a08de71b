"""A receiver of webhooks: verifies each request, drops repetitions, prints the event. Nothing but the standard library.

SECRET=whsec_... python examples/webhook_receiver.py [--port 8090]
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import json
import os
import time
from collections import OrderedDict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SECRET = os.environ["SECRET"]
KEY = base64.b64decode(SECRET.removeprefix("whsec_")) if SECRET.startswith("whsec_") else SECRET.encode()
TOLERANCE = 300
LARGEST = 1024 * 1024
REMEMBERED = 10_000

seen: OrderedDict[str, None] = OrderedDict()
"""Ids of the last deliveries. Of several processes each would need to see all of them: keep these in a database."""


def is_genuine(headers: dict[str, str], body: bytes) -> bool:
    """Whether whoever signed this knows the secret, and did it just now."""
    identity, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not stamp.isdigit() or abs(time.time() - int(stamp)) > TOLERANCE:
        return False
    digest = hmac.new(KEY, f"{identity}.{stamp}.".encode() + body, hashlib.sha256).digest()
    expected = "v1," + base64.b64encode(digest).decode()
    return any(hmac.compare_digest(expected, it) for it in headers.get("webhook-signature", "").split())


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(min(int(self.headers.get("content-length", 0)), LARGEST))
        headers = {name.lower(): value for name, value in self.headers.items()}
        if not is_genuine(headers, body):
            self._answer(401)
            return
        self._answer(204)
        if headers["webhook-id"] not in seen:
            seen[headers["webhook-id"]] = None
            if len(seen) > REMEMBERED:
                seen.popitem(last=False)
            event = json.loads(body)
            print(headers["webhook-id"], event["type"], json.dumps(event["data"]), flush=True)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def main() -> None:
    parser = argparse.ArgumentParser(description="Print the events of a webhook.")
    parser.add_argument("--port", type=int, default=8090)
    given = parser.parse_args()
    server = ThreadingHTTPServer(("127.0.0.1", given.port), Receiver)
    print(f"listening on http://127.0.0.1:{server.server_port}/", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
