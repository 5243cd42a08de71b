"""The bodies and answers of the clustering street, as OpenAPI tells of them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ingest_api.clustering import examples
from schemas.clustering.limits import LEARNING_RATE, MAX_CLUSTERS, MAX_DIMENSION, STREAM_PATTERN, THRESHOLD

Number = Annotated[float, Field(allow_inf_nan=False)]
Point = Annotated[list[Number], Field(min_length=1, max_length=MAX_DIMENSION, examples=[[1.0, 2.0, 3.0]])]
Points = Annotated[
    list[Point],
    Field(min_length=1, max_length=10_000, examples=[[[1.0, 2.0, 3.0], [1.1, 2.1, 3.1], [5.0, 6.0, 7.0]]]),
]
StreamName = Annotated[str | None, Field(pattern=f"^{STREAM_PATTERN}$", description="default where it is not given")]
Moment = Annotated[str, Field(examples=["2025-01-15T10:30:00.000Z"])]


TOO_MANY: dict[int | str, dict[str, Any]] = {409: {"description": "A new stream, and the caller has too many"}}
NO_STREAM: dict[int | str, dict[str, Any]] = {404: {"description": "No such stream"}}


def _shown(example: examples.Example) -> Any:
    return {"examples": [example]}


class ClusteringConfigBody(BaseModel):
    """`algorithm` and `parameters` count with a stream's first points; the numbers hold for this batch."""

    model_config = ConfigDict(json_schema_extra=_shown(examples.CLUSTERING_CONFIG))

    algorithm: Annotated[str | None, Field(examples=["adaptive", "river.DBSTREAM"])] = None
    parameters: Annotated[dict[str, Any] | None, Field(description="Of the algorithm's constructor.")] = None
    threshold: Annotated[float | None, Field(ge=THRESHOLD[0], le=THRESHOLD[1], examples=[0.71])] = None
    max_clusters: Annotated[int | None, Field(ge=MAX_CLUSTERS[0], le=MAX_CLUSTERS[1], examples=[30])] = None
    learning_rate: Annotated[float | None, Field(ge=LEARNING_RATE[0], le=LEARNING_RATE[1], examples=[0.05])] = None


class ProcessPointsBody(BaseModel):
    model_config = ConfigDict(json_schema_extra=_shown(examples.PROCESS_POINTS))

    points: Points
    stream: StreamName = None
    batch_mode: Annotated[bool, Field(description="Accepted; every request is learned as one batch.")] = False
    timeout: Annotated[
        int, Field(ge=1, le=600_000, description="Milliseconds to wait for the answer; at least 1000 are waited.")
    ] = 30_000
    clustering_config: ClusteringConfigBody | None = None
    metadata: Annotated[dict[str, Any] | None, Field(description="Kept with the points; at most 10 KB.")] = None


class BatchBody(BaseModel):
    batch_id: Annotated[str, Field(min_length=1, max_length=128, examples=["batch_001"])]
    points: Points


class OptionsBody(BaseModel):
    parallel: Annotated[bool, Field(description="False: one batch after the other.")] = True
    max_concurrent: Annotated[int, Field(ge=1, le=64)] = 4
    timeout_per_batch: Annotated[int, Field(ge=1, le=600_000, description="Milliseconds.")] = 60_000


class ProcessBatchBody(BaseModel):
    model_config = ConfigDict(json_schema_extra=_shown(examples.PROCESS_BATCH))

    batches: Annotated[list[BatchBody], Field(min_length=1, max_length=1000)]
    stream: StreamName = None
    processing_options: OptionsBody | None = None
    clustering_config: ClusteringConfigBody | None = None


class ClusterOfRequest(BaseModel):
    id: int
    center: Annotated[Point, Field(description="The mean of the request's own points in this cluster.")]
    points: Points
    size: Annotated[int, Field(description="Of the request's points.")]
    quality: float | None
    created_at: Moment
    last_updated: Moment
    total_size: Annotated[int, Field(description="All points the stream has ever put here.")]


class Processed(BaseModel):
    model_config = ConfigDict(json_schema_extra=_shown(examples.PROCESSED))

    clusters: list[ClusterOfRequest]
    outliers: list[Point]
    processing_time_ms: Annotated[float, Field(description="From the request's arrival to this answer.")]
    algorithm_quality: float | None
    request_id: Annotated[str, Field(examples=["req_0123456789abcdef01234567"])]
    total_points: int
    stream: str
    duplicate: Annotated[bool, Field(description="A retry: nothing was learned anew.")]
    positions: Annotated[list[str], Field(examples=[["points.observed.v1-2-41"]])]


class Accepted(BaseModel):
    """The points are in the log and will be processed."""

    model_config = ConfigDict(json_schema_extra=_shown(examples.ACCEPTED))

    request_id: str
    status: Literal["accepted"]
    positions: list[str]
    location: Annotated[str, Field(examples=["/api/v1/requests/req_0123456789abcdef01234567"])]


ACCEPTED: dict[int | str, dict[str, Any]] = {
    202: {"model": Accepted, "description": "With wait=false or Prefer: respond-async"}
}


class BatchResult(BaseModel):
    batch_id: str
    status: Literal["success", "error", "timeout"]
    clusters: list[ClusterOfRequest]
    outliers: list[Point]
    processing_time_ms: float
    request_id: Annotated[str | None, Field(description="To ask /api/v1/requests; null where nothing was sent.")]
    error: Annotated[dict[str, Any] | None, Field(description="Where the status is not success.")] = None
    algorithm_quality: float | None = None
    total_points: Annotated[int | None, Field(description="This and what follows where the status is success.")] = None
    stream: str | None = None
    duplicate: bool | None = None
    positions: list[str] | None = None


class ProcessedBatches(BaseModel):
    model_config = ConfigDict(json_schema_extra=_shown(examples.PROCESSED_BATCHES))

    batch_results: list[BatchResult]
    total_batches: int
    successful_batches: int
    failed_batches: int
    total_processing_time_ms: float
    request_id: str


class ClusterInfo(BaseModel):
    cluster_id: int
    size: int
    center: Annotated[Point, Field(description="The learned centroid.")]
    confidence: float | None
    health_status: str | None
    quality_score: float | None
    drift_coefficient: float | None
    last_updated: Moment
    created_at: Moment


class ClustersSummary(BaseModel):
    model_config = ConfigDict(json_schema_extra=_shown(examples.CLUSTERS_SUMMARY))

    num_active_clusters: Annotated[int, Field(description="All of the stream, whatever the filters.")]
    cluster_ids: Annotated[list[int], Field(description="Of the clusters that pass the filters.")]
    clusters_info: list[ClusterInfo]
    total_points_processed: int
    average_cluster_confidence: float | None
    cluster_distribution: Annotated[dict[str, int], Field(examples=[{"healthy": 4, "warning": 1, "critical": 0}])]
    summary_timestamp: Moment
    position: Annotated[str | None, Field(description="The last position this summary knows of.")]


class Latencies(BaseModel):
    p50_latency_ms: float
    p95_latency_ms: float
    p99_latency_ms: float


class AlgorithmStatus(BaseModel):
    """Milliseconds, memory and uptime are the worker's that holds the stream; memory and uptime before its first point
    are the API process's. The rest is the stream's."""

    model_config = ConfigDict(json_schema_extra=_shown(examples.ALGORITHM_STATUS))

    is_ready: bool
    current_dynamic_threshold: float
    clustering_quality: float
    global_stability: float
    adaptation_rate: float
    total_points_processed: int
    average_processing_time_ms: float
    max_processing_time_ms: float
    last_processing_time_ms: float
    memory_usage_mb: float
    uptime_seconds: float
    throughput_points_per_second: Annotated[float, Field(description="Over the last minute.")]
    error_rate: Annotated[float, Field(description="Batches refused, of all.")]
    error_count: int
    drift_detected: bool
    active_clusters: int
    last_drift_detection: str | None
    performance_metrics: Latencies
    stream: str
    algorithm: str | None
    dimension: int | None
    outlier_rate: float
    worker: str | None
    unmeasured: Annotated[list[str], Field(description="Numbers that are 0 because nothing was measured yet.")]


class StreamInfo(BaseModel):
    model_config = ConfigDict(json_schema_extra=_shown(examples.STREAM_INFO))

    stream: str
    algorithm: str
    dimension: int
    total_points_processed: int
    active_clusters: int
    created_at: str | None
    last_updated: Moment


class StreamList(BaseModel):
    model_config = ConfigDict(json_schema_extra=_shown(examples.STREAM_LIST))

    streams: list[StreamInfo]
    total: int


class Ordered(BaseModel):
    model_config = ConfigDict(json_schema_extra=_shown(examples.ORDERED))

    stream: str
    action: Literal["reset", "deleted"]
    position: str
