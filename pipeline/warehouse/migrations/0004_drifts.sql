CREATE TABLE IF NOT EXISTS drifts
(
    stream            LowCardinality(String) COMMENT 'The stream',
    detected_at       DateTime64(6, 'UTC')   CODEC(Delta, ZSTD(1)) COMMENT 'Log time of the batch in which it was seen',
    at_point          Int64                  CODEC(Delta, ZSTD(1)) COMMENT '1-based number of the point at which it was seen',
    signal            LowCardinality(String) COMMENT 'Which detector saw it',
    statistic         Float64                COMMENT 'The detector''s own figure',
    severity          Float64                COMMENT '0..1',
    affected_clusters Array(Int32),
    recommendation    String                 CODEC(ZSTD(1)),
    archived_at       DateTime64(6, 'UTC')   DEFAULT now64(6) CODEC(Delta, ZSTD(1)),
    source_partition  UInt32                 COMMENT 'Partition of the batch in points.observed.v1',
    source_offset     Int64                  CODEC(Delta, ZSTD(1)) COMMENT 'Offset of the batch in points.observed.v1',
    ordinal           UInt32                 COMMENT '0-based place among the drifts of that batch',
    _topic            LowCardinality(String),
    _partition        UInt32                 CODEC(ZSTD(1)),
    _offset           Int64                  CODEC(Delta, ZSTD(1)),
    _previous         Int64                  CODEC(ZSTD(1)),
    _block_at         DateTime('UTC')        CODEC(ZSTD(1)),
    INDEX archived archived_at TYPE minmax GRANULARITY 1,
    PROJECTION heads (SELECT _topic, _partition, max(_offset), max(_previous) GROUP BY _topic, _partition)
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(_block_at)
ORDER BY (stream, detected_at, ordinal)
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1
COMMENT 'Every abrupt change seen in a stream';
