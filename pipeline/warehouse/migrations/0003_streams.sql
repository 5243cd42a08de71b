-- One row a record of clusters.updated.v1: the figures of a stream and all its clusters as arrays, side by side.
-- One table for both, so that one insert stores a record whole; cluster_history unfolds it (0006_views.sql).
CREATE TABLE IF NOT EXISTS stream_history
(
    stream             LowCardinality(String) COMMENT 'The stream',
    updated_at         DateTime64(6, 'UTC')   CODEC(Delta, ZSTD(1)) COMMENT 'The worker''s clock at this update',
    deleted            Bool                   COMMENT 'True when this update deleted the stream; the figures are then empty',
    created_at         DateTime64(6, 'UTC')   CODEC(ZSTD(1)) COMMENT 'Log time of the stream''s first batch',
    algorithm          LowCardinality(String) COMMENT 'The clusterer in use',
    dimension          UInt16                 CODEC(ZSTD(1)),
    points             Int64                  CODEC(Delta, ZSTD(1)) COMMENT 'Points learned by the present model',
    batches            Int64                  CODEC(Delta, ZSTD(1)) COMMENT 'Batches learned by the present model',
    outliers           Int64                  CODEC(Delta, ZSTD(1)),
    refused            Int64                  CODEC(Delta, ZSTD(1)) COMMENT 'Batches of this stream refused so far',
    dynamic_threshold  Nullable(Float64)      CODEC(ZSTD(1)),
    clustering_quality Nullable(Float64)      CODEC(ZSTD(1)),
    global_stability   Nullable(Float64)      CODEC(ZSTD(1)),
    adaptation_rate    Nullable(Float64)      CODEC(ZSTD(1)),
    outlier_rate       Nullable(Float64)      CODEC(ZSTD(1)),
    drift_detected     Bool,
    drifts             Int64                  CODEC(ZSTD(1)),
    last_drift_at      Nullable(DateTime64(6, 'UTC')) CODEC(ZSTD(1)),
    worker             LowCardinality(String) COMMENT 'The worker that owns the stream; the figures below are its own, since it started',
    worker_started_at  DateTime64(6, 'UTC')   CODEC(ZSTD(1)),
    worker_memory      Int64                  CODEC(ZSTD(1)) COMMENT 'Resident bytes',
    worker_batches     Int64                  CODEC(ZSTD(1)),
    worker_points      Int64                  CODEC(ZSTD(1)),
    last_ms            Nullable(Float64)      CODEC(ZSTD(1)) COMMENT 'Duration of the last batch',
    mean_ms            Nullable(Float64)      CODEC(ZSTD(1)),
    max_ms             Nullable(Float64)      CODEC(ZSTD(1)),
    p50_ms             Nullable(Float64)      CODEC(ZSTD(1)),
    p95_ms             Nullable(Float64)      CODEC(ZSTD(1)),
    p99_ms             Nullable(Float64)      CODEC(ZSTD(1)),
    clusters           Nested
    (
        cluster_id        Int32,
        size              Int64,
        weight            Float64,
        quality           Nullable(Float64),
        confidence        Nullable(Float64),
        health            Nullable(String),
        drift_coefficient Nullable(Float64),
        created_at        DateTime64(6, 'UTC'),
        updated_at        DateTime64(6, 'UTC'),
        changed           Bool,
        center            Array(Float64)
    ),
    archived_at        DateTime64(6, 'UTC')   DEFAULT now64(6) CODEC(Delta, ZSTD(1)),
    source_partition   UInt32                 CODEC(ZSTD(1)) COMMENT 'Partition of points.observed.v1',
    source_offset      Int64                  CODEC(Delta, ZSTD(1)) COMMENT 'The model has learned everything of the stream up to this offset',
    _topic             LowCardinality(String),
    _partition         UInt32                 CODEC(ZSTD(1)),
    _offset            Int64                  CODEC(Delta, ZSTD(1)),
    _previous          Int64                  CODEC(ZSTD(1)),
    _block_at          DateTime('UTC')        CODEC(ZSTD(1)),
    INDEX offsets  _offset     TYPE minmax GRANULARITY 1,
    INDEX archived archived_at TYPE minmax GRANULARITY 1,
    PROJECTION heads (SELECT _topic, _partition, max(_offset), max(_previous) GROUP BY _topic, _partition)
)
ENGINE = MergeTree
PARTITION BY toMonday(_block_at)
ORDER BY (stream, updated_at)
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1
COMMENT 'The state of every stream at every update; one row an update';

CREATE TABLE IF NOT EXISTS stream_latest AS stream_history
ENGINE = ReplacingMergeTree(_offset)
ORDER BY stream
SETTINGS deduplicate_merge_projection_mode = 'drop'
COMMENT 'What streams_now and clusters_now read: the last row of each stream, not yet merged';

CREATE TABLE IF NOT EXISTS stored_streams AS stream_history
ENGINE = Null
COMMENT 'Where the archive hands on what stream_history has stored, for stream_latest; keeps nothing';

CREATE MATERIALIZED VIEW IF NOT EXISTS latest_of_streams TO stream_latest AS SELECT * FROM stored_streams;
