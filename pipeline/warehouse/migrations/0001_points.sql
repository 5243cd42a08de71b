-- One row a point. `_previous` names the block a row came in: the greatest stored offset of its partition before it.
-- Blocks are deduplicated by that number (pipeline/warehouse/archive/block.py), so all of a block must lie in one
-- part: the table is partitioned by the log time of the block's first record, which every writer of it agrees on.
CREATE TABLE IF NOT EXISTS points
(
    stream           LowCardinality(String)  COMMENT 'The stream the point belongs to',
    point            Int64                   CODEC(Delta, ZSTD(1)) COMMENT '1-based number of the point within the model of its stream',
    observed_at      DateTime64(6, 'UTC')    CODEC(Delta, ZSTD(1)) COMMENT 'When the producer observed it; kept within 1970-2105',
    processed_at     DateTime64(6, 'UTC')    CODEC(Delta, ZSTD(1)) COMMENT 'When a worker learned it',
    archived_at      DateTime64(6, 'UTC')    DEFAULT now64(6) CODEC(Delta, ZSTD(1)) COMMENT 'When it was stored here',
    cluster_id       Int32                   CODEC(ZSTD(1)) COMMENT 'The cluster it was put in; -1: none, an outlier',
    is_outlier       Bool                    DEFAULT cluster_id = -1 COMMENT 'True when it fits no cluster',
    similarity       Float64                 CODEC(ZSTD(1)) COMMENT '0..1, to the nearest cluster centre',
    dimension        UInt16                  DEFAULT length(values) CODEC(ZSTD(1)) COMMENT 'How many numbers it has',
    values           Array(Float64)          CODEC(ZSTD(1)) COMMENT 'The point itself',
    batch_id         String                  CODEC(ZSTD(1)) COMMENT 'The producer''s name of the batch; empty when it gave none',
    batch_index      UInt32                  CODEC(Delta, ZSTD(1)) COMMENT '0-based place within the batch',
    request_id       String                  CODEC(ZSTD(1)) COMMENT 'The API request that brought it; empty when produced straight to Kafka',
    source           LowCardinality(String)  COMMENT 'Who observed it; empty when not said',
    metadata         Map(LowCardinality(String), String) CODEC(ZSTD(1)) COMMENT 'What the producer kept beside the batch',
    source_partition UInt32                  CODEC(ZSTD(1)) COMMENT 'With source_offset the receipt: partition of the batch in points.observed.v1',
    source_offset    Int64                   CODEC(Delta, ZSTD(1)) COMMENT 'With source_partition the receipt: offset of the batch in points.observed.v1',
    _topic           LowCardinality(String)  COMMENT 'Topic the row was archived from',
    _partition       UInt32                  CODEC(ZSTD(1)) COMMENT 'Partition the row was archived from',
    _offset          Int64                   CODEC(Delta, ZSTD(1)) COMMENT 'Offset of the record the row was archived from',
    _previous        Int64                   CODEC(ZSTD(1)) COMMENT 'Greatest offset stored before this row''s block; names the block',
    _block_at        DateTime('UTC')         CODEC(ZSTD(1)) COMMENT 'Log time of the block''s first record: decides part and expiry',
    INDEX offsets        _offset       TYPE minmax GRANULARITY 1,
    INDEX source_offsets source_offset TYPE minmax GRANULARITY 1,
    INDEX archived       archived_at   TYPE minmax GRANULARITY 1,
    INDEX requests       request_id    TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX batches        batch_id      TYPE bloom_filter(0.001) GRANULARITY 1,
    PROJECTION heads (SELECT _topic, _partition, max(_offset), max(_previous) GROUP BY _topic, _partition)
)
ENGINE = MergeTree
PARTITION BY toMonday(_block_at)
ORDER BY (stream, observed_at, source_partition, source_offset, batch_index)
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1
COMMENT 'Every point with what became of it; one row a point';
