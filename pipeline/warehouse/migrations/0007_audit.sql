-- Who did, or tried to do, what. Not for analysts: they are granted the database without this table.
CREATE TABLE IF NOT EXISTS audit
(
    at               DateTime64(6, 'UTC')             CODEC(Delta, ZSTD(1)) COMMENT 'When it happened; of several alike, the first',
    actor            String                           CODEC(ZSTD(1)) COMMENT 'A principal such as user:admin or key:sensor-7; address:NETWORK for whoever was not known',
    action           LowCardinality(String)           COMMENT 'ENTITY.COMMAND, or a method and the template of its path',
    target           Nullable(String)                 CODEC(ZSTD(1)) COMMENT 'Id of what was acted upon, where the action is about one thing',
    verdict          LowCardinality(String)           COMMENT 'accepted or refused',
    status           Nullable(Int32)                  COMMENT 'HTTP status of the answer; null where the log decided',
    reason           LowCardinality(Nullable(String)) COMMENT 'Code of the error or the rejection; null when accepted',
    address          Nullable(String)                 CODEC(ZSTD(1)) COMMENT 'Where the caller called from; of IPv6 its /64',
    request_id       Nullable(String)                 CODEC(ZSTD(1)) COMMENT 'X-Request-ID of the request; of several alike, the first',
    count            Int32                            COMMENT 'So many alike within a second',
    details          Map(LowCardinality(String), String) CODEC(ZSTD(1)) COMMENT 'What else is known; never a secret',
    source_partition Nullable(UInt32)                 COMMENT 'With source_offset the command that was decided; null where there was none',
    source_offset    Nullable(Int64)                  CODEC(ZSTD(1)) COMMENT 'With source_partition the command that was decided; null where there was none',
    archived_at      DateTime64(6, 'UTC')             DEFAULT now64(6) CODEC(Delta, ZSTD(1)) COMMENT 'The warehouse''s clock when the row was stored',
    _topic           LowCardinality(String)           COMMENT 'Topic the row was archived from',
    _partition       UInt32                           CODEC(ZSTD(1)) COMMENT 'Partition the row was archived from',
    _offset          Int64                            CODEC(Delta, ZSTD(1)) COMMENT 'Offset of the record the row was archived from',
    _previous        Int64                            CODEC(ZSTD(1)) COMMENT 'Greatest offset stored before this row''s block; names the block',
    _block_at        DateTime('UTC')                  CODEC(ZSTD(1)) COMMENT 'Log time of the block''s first record: decides part and expiry',
    INDEX actors   actor      TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX targets  target     TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX requests request_id TYPE bloom_filter(0.001) GRANULARITY 1,
    PROJECTION heads (SELECT _topic, _partition, max(_offset), max(_previous) GROUP BY _topic, _partition)
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(_block_at)
ORDER BY (at, _partition, _offset)
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1
COMMENT 'Who did, or tried to do, what; for administrators alone';
