"""The only room that knows confluent_kafka: writing, tailing, viewing and provisioning the log."""
