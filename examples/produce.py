"""Points straight to Kafka, as any program with a Confluent client would send them: no code of Thalweg's is used.

    pip install 'confluent-kafka[avro,schemaregistry]'
    python examples/produce.py [--stream S] [--points N] [--dimension D]

Reads KAFKA (127.0.0.1:9092) and API (http://127.0.0.1:8000), which serves the schemas, from the environment.
"""

from __future__ import annotations

import argparse
import os
import random
import time

from confluent_kafka import KafkaError, Message, Producer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

KAFKA = os.environ.get("KAFKA", "127.0.0.1:9092")
API = os.environ.get("API", "http://127.0.0.1:8000")
TOPIC = "points.observed.v1"
BATCH = 100


def delivered(error: KafkaError | None, message: Message) -> None:
    if error is not None:
        raise SystemExit(f"not delivered: {error}")
    print(f"receipt {message.topic()}-{message.partition()}-{message.offset()}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Send points to Kafka.")
    parser.add_argument("--stream", default="example-kafka")
    parser.add_argument("--points", type=int, default=300)
    parser.add_argument("--dimension", type=int, default=2)
    given = parser.parse_args()

    # The schema is the registry's newest; none is registered.
    serialize = AvroSerializer(
        SchemaRegistryClient({"url": API}), conf={"auto.register.schemas": False, "use.latest.version": True}
    )
    # Java's clients use murmur2 by themselves; those on librdkafka must be told.
    producer = Producer({"bootstrap.servers": KAFKA, "partitioner": "murmur2_random", "enable.idempotence": True})
    draw = random.Random(3)
    for first in range(0, given.points, BATCH):
        count = min(BATCH, given.points - first)
        middles = [draw.choice((0.0, 9.0)) for _ in range(count)]
        record = {
            "stream": given.stream,
            "batch_id": f"{given.stream}:{first}",  # sent twice, it counts once
            "source": "examples/produce.py",
            "observed_at": time.time_ns() // 1000,
            "action": "LEARN",
            "dimension": given.dimension,
            "config": None,
            "metadata": {"run": "example"},
            "values": [draw.gauss(middle, 0.5) for middle in middles for _ in range(given.dimension)],
        }
        value = serialize(record, SerializationContext(TOPIC, MessageField.VALUE))
        producer.produce(TOPIC, key=given.stream, value=value, on_delivery=delivered)
    producer.flush()


if __name__ == "__main__":
    main()
