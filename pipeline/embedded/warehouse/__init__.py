"""ClickHouse's own engine (chDB) behind ClickHouse's HTTP interface, as one process on the loopback address."""
