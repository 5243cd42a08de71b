"""Points over REST: log in, send, do not wait, look at the clusters.

    python examples/rest.py [stream]

Reads API (http://127.0.0.1:8000), USERNAME and PASSWORD (those of the development admin) from the environment.
"""

from __future__ import annotations

import os
import random
import sys
import time
from typing import Any

import httpx

API = os.environ.get("API", "http://127.0.0.1:8000")
ACCOUNT = {"username": os.environ.get("USERNAME", "admin"), "password": os.environ.get("PASSWORD", "admin123")}


def points(count: int, seed: int) -> list[list[float]]:
    """Two groups in three dimensions, and now and then a point far from both."""
    draw = random.Random(seed)
    centers = ((0.0, 0.0, 0.0), (8.0, 8.0, 8.0))
    made = [[draw.gauss(middle, 0.5) for middle in draw.choice(centers)] for _ in range(count)]
    return [*made, [40.0, -40.0, 40.0]]


def outcome(http: httpx.Client, location: str) -> Any:
    """What became of an accepted request."""
    for _ in range(100):
        state = http.get(location).raise_for_status().json()
        if state["status"] != "accepted":
            return state
        time.sleep(0.1)
    raise TimeoutError(f"{location} is still not done")


def main() -> None:
    stream = sys.argv[1] if len(sys.argv) > 1 else "example-rest"
    with httpx.Client(base_url=API, timeout=40) as http:
        token = http.post("/auth/login", json=ACCOUNT).raise_for_status().json()["access_token"]
        http.headers["Authorization"] = f"Bearer {token}"

        # The key makes a retry count once, whatever happened to the first try.
        answer = http.post(
            "/api/v1/process_points",
            json={"stream": stream, "points": points(200, seed=1)},
            headers={"Idempotency-Key": f"example-{time.time_ns()}"},
        )
        result = answer.raise_for_status().json()
        for cluster in result["clusters"]:
            print(f"cluster {cluster['id']}: {cluster['size']} points of this request, {cluster['total_size']} ever")
        print(f"{len(result['outliers'])} outliers; receipt {result['positions'][0]}")

        accepted = http.post(
            "/api/v1/process_points", params={"wait": "false"}, json={"stream": stream, "points": points(200, seed=2)}
        )
        state = outcome(http, accepted.raise_for_status().json()["location"])
        print(f"{state['request_id']} is {state['status']}: {state['total_points']} points")

        summary = http.get("/api/v1/clusters_summary", params={"stream": stream}).raise_for_status().json()
        print(f"{summary['num_active_clusters']} clusters after {summary['total_points_processed']} points")


if __name__ == "__main__":
    main()
