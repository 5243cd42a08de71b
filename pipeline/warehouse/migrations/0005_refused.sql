-- What the archive could not read. Keyed by position and replacing: the same record refused twice is one row.
CREATE TABLE IF NOT EXISTS refused_records
(
    _topic      LowCardinality(String),
    _partition  UInt32,
    _offset     Int64,
    reason      LowCardinality(String),
    detail      String CODEC(ZSTD(1)),
    schema_id   Nullable(Int32),
    key         String CODEC(ZSTD(1)),
    value       String CODEC(ZSTD(1)),
    value_size  UInt32,
    refused_at  DateTime64(6, 'UTC') DEFAULT now64(6)
)
ENGINE = ReplacingMergeTree
ORDER BY (_topic, _partition, _offset)
COMMENT 'What refused reads: records of archived topics that could not be read, not yet merged';
