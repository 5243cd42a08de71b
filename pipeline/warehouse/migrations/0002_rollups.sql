-- Sums by minute, filled by every block stored in points. A repeated block is dropped here too: the views hand its
-- token on, and these tables remember tokens. They are not partitioned: observed_at is the producer's, and one block
-- may hold any number of months. `stored_on` is the day of the last addition, from which the expiry counts.
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
    countIf(is_outlier) AS outliers,
    sum(similarity) AS similarity_sum,
    max(toDate(archived_at)) AS stored_on
FROM points
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
    max(toDate(archived_at)) AS stored_on
FROM points
GROUP BY stream, cluster_id, minute;
