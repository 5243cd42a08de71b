"""One machine, no Docker: a real Kafka broker, the warehouse engine, and the supervisor that keeps them."""
