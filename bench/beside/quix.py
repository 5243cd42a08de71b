"""A stateful count in Quix Streams: `python quix.py BOOTSTRAP TOPIC COUNT FOLDER` prints messages a second.

Run by the interpreter of an environment that holds quixstreams, and by nothing of ours: `bench.single` says how to make
one. Each message adds one to the count of its key, kept in a RocksDB state with a changelog topic, as its tutorials do;
the value is not decoded. The clock runs from the first message processed to the last.
"""

from __future__ import annotations

import sys
import time
import uuid

from quixstreams import Application  # type: ignore[import-not-found]


def main() -> None:
    bootstrap, name, count, folder = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
    app = Application(
        broker_address=bootstrap,
        consumer_group=f"quix-{uuid.uuid4().hex[:8]}",
        auto_offset_reset="earliest",
        state_dir=folder,
        loglevel="WARNING",
    )
    topic = app.topic(name, key_deserializer="str", value_deserializer="bytes")
    clock: list[float] = []

    def counted(_: bytes, state: object) -> int:
        if not clock:
            clock.append(time.perf_counter())
        seen: int = state.get("count", 0) + 1  # type: ignore[attr-defined]
        state.set("count", seen)  # type: ignore[attr-defined]
        return seen

    stream = app.dataframe(topic)
    stream.apply(counted, stateful=True)
    app.run(count=count, timeout=120)
    print(f"RATE {count / (time.perf_counter() - clock[0])}", flush=True)


if __name__ == "__main__":
    main()
