"""The only room that knows ClickHouse's client: tables, the archive that fills them, the reader."""
