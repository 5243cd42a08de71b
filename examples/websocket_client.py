"""Points over a WebSocket, one by one and in a batch, and what comes back on the same socket.

    python examples/websocket_client.py [stream]

Reads API (http://127.0.0.1:8000) and TOKEN (an access token, or an API key in KEY) from the environment.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys

from websockets.asyncio.client import connect

API = os.environ.get("API", "http://127.0.0.1:8000")
POINTS = 100


def credential() -> dict[str, str]:
    """As a header. A browser, which cannot set headers here, would put ?token= or ?api_key= in the address."""
    if key := os.environ.get("KEY"):
        return {"X-API-Key": key}
    return {"Authorization": f"Bearer {os.environ['TOKEN']}"}


async def main() -> None:
    stream = sys.argv[1] if len(sys.argv) > 1 else "example-websocket"
    address = f"{API.replace('http', 'ws', 1)}/ws/stream?stream={stream}"
    draw = random.Random(7)
    async with connect(address, additional_headers=credential()) as socket:
        for number in range(POINTS):
            middle = draw.choice((0.0, 6.0))
            data = [draw.gauss(middle, 0.4), draw.gauss(middle, 0.4)]
            await socket.send(json.dumps({"type": "point", "data": data, "point_id": f"p{number}"}))
        batch = [[6.0, 6.1], [0.1, 0.0], [50.0, -50.0]]
        await socket.send(json.dumps({"type": "batch", "data": batch, "batch_id": "last three"}))

        answered = 0
        async for text in socket:
            message = json.loads(text)
            if message["type"] == "error":
                raise SystemExit(f"{message['error']['code']}: {message['error']['message']}")
            if message["type"] == "result":
                told = message["data"]
                if told.get("batch_id"):
                    print(f"batch {told['batch_id']!r}: labels {told['labels']} (-1 is an outlier)")
                    return
                answered += len(told["points"])
                last = told["points"][-1]
                print(f"{answered} of {POINTS} points answered; {last['point_id']} is in cluster {last['cluster_id']}")
            elif message["type"] == "cluster_update":
                told = message["data"]
                print(f"cluster {told['cluster_id']}: {told['size']} points, health {told['health_status']}")


if __name__ == "__main__":
    asyncio.run(main())
