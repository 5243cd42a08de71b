"""Apache Kafka on this machine: jars by Maven coordinates, verified against a lock, run on a packaged JVM."""
