CREATE OR REPLACE VIEW outliers AS
SELECT stream, observed_at, point, values, similarity, batch_id, batch_index, request_id, source, metadata,
       processed_at, source_partition, source_offset
FROM points
WHERE is_outlier
COMMENT 'The points that fit no cluster';

CREATE OR REPLACE VIEW points_per_minute AS
SELECT stream, minute, sum(points) AS points, sum(outliers) AS outliers,
       outliers / points AS outlier_rate, sum(similarity_sum) / points AS mean_similarity
FROM minutes
GROUP BY stream, minute
COMMENT 'Points, outliers and mean similarity by stream and minute of observation';

CREATE OR REPLACE VIEW cluster_points_per_minute AS
SELECT stream, cluster_id, minute, sum(points) AS points, sum(similarity_sum) / points AS mean_similarity
FROM cluster_minutes
GROUP BY stream, cluster_id, minute
COMMENT 'Points and mean similarity by stream, cluster and minute of observation; cluster -1: outliers';

CREATE OR REPLACE VIEW cluster_history AS
SELECT stream, history.updated_at AS updated_at, cluster.cluster_id AS cluster_id, cluster.size AS size,
       cluster.weight AS weight, cluster.quality AS quality, cluster.confidence AS confidence,
       cluster.health AS health, cluster.drift_coefficient AS drift_coefficient,
       cluster.created_at AS cluster_created_at, cluster.updated_at AS cluster_updated_at,
       cluster.center AS center, source_partition, source_offset
FROM stream_history AS history
ARRAY JOIN clusters AS cluster
WHERE cluster.changed
COMMENT 'A row for each cluster an update changed';

CREATE OR REPLACE VIEW streams_now AS
SELECT stream, updated_at, created_at, algorithm, dimension, points, batches, outliers, refused, outlier_rate,
       length(clusters.cluster_id) AS clusters, clustering_quality, global_stability, adaptation_rate,
       dynamic_threshold, drift_detected, drifts, last_drift_at, worker, last_ms, mean_ms, p50_ms, p95_ms, p99_ms,
       source_partition, source_offset
FROM stream_latest FINAL
WHERE NOT deleted
COMMENT 'Each stream as of its last update; deleted streams are not shown';

CREATE OR REPLACE VIEW clusters_now AS
SELECT stream, cluster.cluster_id AS cluster_id, cluster.size AS size, cluster.weight AS weight,
       cluster.quality AS quality, cluster.confidence AS confidence, cluster.health AS health,
       cluster.drift_coefficient AS drift_coefficient, cluster.created_at AS cluster_created_at,
       cluster.updated_at AS cluster_updated_at, cluster.center AS center
FROM (SELECT stream, clusters.cluster_id, clusters.size, clusters.weight, clusters.quality, clusters.confidence,
             clusters.health, clusters.drift_coefficient, clusters.created_at, clusters.updated_at, clusters.center
      FROM stream_latest FINAL
      WHERE NOT deleted)
ARRAY JOIN clusters AS cluster
COMMENT 'The clusters of each stream as of its last update';

CREATE OR REPLACE VIEW drift_log AS
SELECT stream, detected_at, signal, severity, statistic, at_point, affected_clusters, recommendation,
       source_partition, source_offset
FROM drifts
COMMENT 'Every abrupt change seen, with what to do about it';

CREATE OR REPLACE VIEW refused AS
SELECT _topic AS topic, _partition AS partition, _offset AS offset, reason, detail, schema_id, key, value,
       value_size, refused_at
FROM refused_records FINAL
COMMENT 'Records of archived topics that could not be read, at their positions in the log';
