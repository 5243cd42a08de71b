-- Sums by minute. A view on points itself would also see a block that points drops because a rival block is stored
-- already. So the archive hands each block on to stored_points, which keeps nothing, once it is known to be stored,
-- with the block's token, which the views pass on and the tables of sums remember.
CREATE TABLE IF NOT EXISTS stored_points
(
    stream      LowCardinality(String),
    observed_at DateTime64(6, 'UTC'),
    cluster_id  Int32,
    similarity  Float64
)
ENGINE = Null
COMMENT 'Where the archive hands on what points has stored, for the rollups; keeps nothing';

-- The sums are not partitioned: observed_at is the producer's, and one block may hold any number of months.
-- `stored_on` is the day of the last addition, from which the expiry counts.
CREATE TABLE IF NOT EXISTS minutes
(
    stream         LowCardinality(String),
    minute         DateTime('UTC') CODEC(Delta, ZSTD(1)),
    points         SimpleAggregateFunction(sum, UInt64),
    outliers       SimpleAggregateFunction(sum, UInt64),
    similarity_sum SimpleAggregateFunction(sum, Float64),
    stored_on      SimpleAggregateFunction(max, Date)
)
ENGINE = AggregatingMergeTree
ORDER BY (stream, minute)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'What points_per_minute reads: partial sums, not yet merged';

CREATE MATERIALIZED VIEW IF NOT EXISTS minutes_of_points TO minutes AS
SELECT
    stream,
    toStartOfMinute(observed_at) AS minute,
    count() AS points,
    countIf(cluster_id = -1) AS outliers,
    sum(similarity) AS similarity_sum,
    today() AS stored_on
FROM stored_points
GROUP BY stream, minute;

CREATE TABLE IF NOT EXISTS cluster_minutes
(
    stream         LowCardinality(String),
    cluster_id     Int32,
    minute         DateTime('UTC') CODEC(Delta, ZSTD(1)),
    points         SimpleAggregateFunction(sum, UInt64),
    similarity_sum SimpleAggregateFunction(sum, Float64),
    stored_on      SimpleAggregateFunction(max, Date)
)
ENGINE = AggregatingMergeTree
ORDER BY (stream, cluster_id, minute)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'What cluster_points_per_minute reads: partial sums, not yet merged';

CREATE MATERIALIZED VIEW IF NOT EXISTS cluster_minutes_of_points TO cluster_minutes AS
SELECT
    stream,
    cluster_id,
    toStartOfMinute(observed_at) AS minute,
    count() AS points,
    sum(similarity) AS similarity_sum,
    today() AS stored_on
FROM stored_points
GROUP BY stream, cluster_id, minute;
