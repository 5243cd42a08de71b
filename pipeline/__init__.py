"""What is done to an event: steps, learners, and the rooms that know Kafka and ClickHouse."""
