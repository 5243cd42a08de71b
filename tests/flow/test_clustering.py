"""The clustering street's whole road over real HTTP: door, log, worker, reply, warehouse."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator

import httpx
import numpy as np
import pytest
from confluent_kafka import Producer as Librdkafka
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from ingest_api.clustering import examples
from ingest_api.results import EXAMPLE as REQUEST_STATE
from pipeline.clock import now
from pipeline.heartbeat import STALE_SECONDS
from pipeline.kafka.browse import stretch
from pipeline.kafka.producer import Producer
from schemas.clustering.topics import OBSERVED
from schemas.codec import Codec
from schemas.exchange import Refused
from tests.flow.stack import Json, Stack, until

pytestmark = [pytest.mark.flow, pytest.mark.timeout(240)]

EXAMPLE = [[1.0, 2.0, 3.0], [1.1, 2.1, 3.1], [5.0, 6.0, 7.0]]


@pytest.fixture
async def http(stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    async with stack.client() as client:
        yield client


async def process(http: httpx.AsyncClient, stream: str, points: object, **body: object) -> httpx.Response:
    return await http.post("/api/v1/process_points", json={"points": points, "stream": stream, **body})


def blobs(count: int, dimension: int = 3, seed: int = 1) -> list[list[float]]:
    """Points around four far centres."""
    rng = np.random.default_rng(seed)
    centers = rng.normal(0, 10, (4, dimension))
    points: list[list[float]] = (centers[rng.integers(4, size=count)] + rng.normal(0, 0.2, (count, dimension))).tolist()
    return points


async def test_the_documented_example_is_answered_as_documented(stack: Stack, http: httpx.AsyncClient) -> None:
    stream = stack.stream()
    answer = await process(http, stream, EXAMPLE, batch_mode=False, timeout=30_000)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    [cluster] = body["clusters"]
    assert cluster["id"] == 1
    assert cluster["center"] == pytest.approx([1.05, 2.05, 3.05])
    assert cluster["points"] == EXAMPLE[:2]
    assert cluster["size"] == 2
    assert body["outliers"] == EXAMPLE[2:]
    assert body["total_points"] == 3
    assert body["processing_time_ms"] > 0
    assert 0 <= body["algorithm_quality"] <= 1
    assert body["request_id"] == answer.headers["X-Request-ID"]
    assert answer.headers["X-RateLimit-Limit"] == "100000"
    assert int(answer.headers["X-RateLimit-Remaining"]) < 100_000
    rows = await stack.rows(stream, 3)
    assert [list(row[0]) for row in rows] == EXAMPLE
    assert [row[1] for row in rows] == [1, 1, -1]
    assert {(row[2], row[4]) for row in rows} == {(body["request_id"], "key:writer")}


async def test_worker_and_archive_of_a_running_system_are_well_by_their_heartbeats(stack: Stack) -> None:
    for child in (stack.worker, stack.archive):
        await until(lambda child=child: asyncio.sleep(0, child.trouble() is None))  # type: ignore[misc]
        assert "hangs: it has not beaten for" in str(child.trouble(after=STALE_SECONDS + 1))


async def test_everything_wrong_with_a_body_is_told_at_once(stack: Stack, http: httpx.AsyncClient) -> None:
    answer = await process(
        http, stack.stream(), [[], [1], ["a"], [True]], timeout="soon", clustering_config={"threshold": "high"}
    )
    assert answer.status_code == 422
    body = answer.json()
    assert body["success"] is False
    assert body["error"]["code"] == "VALIDATION_ERROR"
    told = {each["field"] for each in body["error"]["details"]}
    assert told == {"points.0", "points.2", "points.3", "timeout", "clustering_config.threshold"}
    assert "points.0" in body["detail"]


@pytest.mark.parametrize("content", [b'{"points": [[NaN]]}', b'{"points": [[1', b"", b"[" * 100_000, b"\xff"])
async def test_what_is_no_json_is_a_bad_request(http: httpx.AsyncClient, content: bytes) -> None:
    answer = await http.post("/api/v1/process_points", content=content)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "VALIDATION_ERROR"


async def test_a_body_that_is_too_large_is_413(http: httpx.AsyncClient) -> None:
    answer = await http.post("/api/v1/process_points", content=b" " * (10 * 1024 * 1024 + 1))
    assert answer.status_code == 413


async def test_another_dimension_is_an_error_that_names_both_and_no_outlier(
    stack: Stack, http: httpx.AsyncClient
) -> None:
    stream = stack.stream()
    assert (await process(http, stream, EXAMPLE)).status_code == 200
    answer = await process(http, stream, [[1.0, 2.0]])
    assert answer.status_code == 422
    [wrong] = answer.json()["error"]["details"]
    assert wrong["field"] == "points"
    assert "points of 3 numbers" in wrong["message"]
    assert "these have 2" in wrong["message"]
    refused = (await http.get("/api/v1/requests/" + answer.json()["request_id"])).json()
    assert refused["status"] == "refused"
    summary = (await http.get("/api/v1/clusters_summary", params={"stream": stream})).json()
    assert summary["total_points_processed"] == 3


async def test_a_request_that_does_not_wait_can_be_asked_about_by_its_sender_alone(
    stack: Stack, http: httpx.AsyncClient
) -> None:
    answer = await http.post(
        "/api/v1/process_points", params={"wait": "false"}, json={"points": EXAMPLE, "stream": stack.stream()}
    )
    assert answer.status_code == 202
    accepted = answer.json()
    assert accepted["status"] == "accepted"
    assert len(accepted["positions"]) == 1
    address = answer.headers["Location"]

    async def done() -> bool:
        return bool((await http.get(address)).json()["status"] == "done")

    await until(done)
    state = (await http.get(address)).json()
    assert state["result"]["outliers"] == EXAMPLE[2:]
    assert state["positions"] == accepted["positions"]
    assert state["total_points"] == 3
    async with stack.client("other") as other, stack.client("admin") as admin:
        assert (await other.get(address)).status_code == 404
        assert (await admin.get(address)).json()["status"] == "done"
    async with stack.client("sensor") as sensor:
        own = await process(sensor, stack.stream(), EXAMPLE)
        assert (await sensor.get(f"/api/v1/requests/{own.json()['request_id']}")).json()["status"] == "done"
    for unknown in ("req_" + "0" * 24, "req_1", "x" * 500):
        assert (await http.get(f"/api/v1/requests/{unknown}")).status_code == 404


async def test_a_retry_with_its_key_counts_once_and_is_told_so(stack: Stack, http: httpx.AsyncClient) -> None:
    stream, key = stack.stream(), {"Idempotency-Key": "order-66"}
    body = {"points": EXAMPLE, "stream": stream}
    first = (await http.post("/api/v1/process_points", json=body, headers=key)).json()
    again = (await http.post("/api/v1/process_points", json=body, headers=key)).json()
    assert (first["duplicate"], again["duplicate"]) == (False, True)
    assert [cluster["points"] for cluster in again["clusters"]] == [cluster["points"] for cluster in first["clusters"]]
    async with stack.client("other") as other:
        assert (await other.post("/api/v1/process_points", json=body, headers=key)).json()["duplicate"] is False
    summary = (await http.get("/api/v1/clusters_summary", params={"stream": stream})).json()
    assert summary["total_points_processed"] == 6


async def test_a_key_that_comes_back_with_another_body_is_refused(stack: Stack, http: httpx.AsyncClient) -> None:
    stream, key = stack.stream(), {"Idempotency-Key": "order-67"}
    body = {"points": EXAMPLE, "stream": stream}
    assert (await http.post("/api/v1/process_points", json=body, headers=key)).json()["duplicate"] is False
    for points in (EXAMPLE[:-1], EXAMPLE * 9):
        refused = await http.post("/api/v1/process_points", json=body | {"points": points}, headers=key)
        assert refused.status_code == 422
        [detail] = refused.json()["error"]["details"]
        assert detail["field"] == "Idempotency-Key"
        assert "used for other points" in detail["message"]
    summary = (await http.get("/api/v1/clusters_summary", params={"stream": stream})).json()
    assert summary["total_points_processed"] == len(EXAMPLE)


async def test_a_request_as_large_as_is_allowed_is_several_records_and_one_answer(
    stack: Stack, http: httpx.AsyncClient
) -> None:
    stream, since = stack.stream(), stack.marks()
    points = np.round(np.array(blobs(10_000, 100)), 3).tolist()
    answer = await process(http, stream, points)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["total_points"] == 10_000
    assert sum(cluster["size"] for cluster in body["clusters"]) + len(body["outliers"]) == 10_000
    records = stack.observed(stream, since)
    assert len(records) == len(body["positions"]) > 10
    assert [str(record.position) for record in records] == body["positions"]
    assert max(len(record.value or b"") for record in records) < 600 * 1024
    assert body["request_id"].endswith(f"-{len(records)}")
    assert (await process(http, stream, [[1.0]] * 10_001)).status_code == 422


async def test_who_was_answered_reads_what_was_answered(stack: Stack, http: httpx.AsyncClient) -> None:
    stream = stack.stream()
    for sent in range(1, 6):
        position = (await process(http, stream, EXAMPLE)).json()["positions"][-1]
        summary = (await http.get("/api/v1/clusters_summary", params={"stream": stream})).json()
        assert summary["total_points_processed"] == 3 * sent
        assert summary["position"] == position


async def test_batches_fail_and_succeed_by_themselves_in_the_order_they_have(
    stack: Stack, http: httpx.AsyncClient
) -> None:
    stream = stack.stream()
    points = blobs(200)
    batches: list[Json] = [{"batch_id": f"b{n}", "points": points[10 * n : 10 * n + 10]} for n in range(12)]
    batches[3]["points"] = [[1.0, 2.0]]
    batches.append({"batch_id": "b0", "points": points[120:123]})
    for options in ({"parallel": True, "max_concurrent": 4}, {"parallel": False}):
        since = stack.marks()
        answer = await http.post(
            "/api/v1/process_batch", json={"batches": batches, "stream": stream, "processing_options": options}
        )
        assert answer.status_code == 200, answer.text
        body = answer.json()
        results = body["batch_results"]
        assert [result["batch_id"] for result in results] == [batch["batch_id"] for batch in batches]
        assert (body["total_batches"], body["successful_batches"], body["failed_batches"]) == (13, 12, 1)
        assert [result["status"] for result in results].index("error") == 3
        assert "these have 2" in str(results[3]["error"])
        assert all(result["processing_time_ms"] > 0 for result in results)
        last_of_each = [np.frombuffer(value[-1 - 8 * 3 : -1]) for value in _values(stack, stream, since, 3)]
        expected = [batch["points"][-1] for batch in batches if len(batch["points"][0]) == 3]
        assert np.array_equal(last_of_each, expected)


def _values(stack: Stack, stream: str, since: dict[int, int], dimension: int) -> list[bytes]:
    """Values of the stream's records with points of that dimension."""
    codec = Codec()
    records = [record.value or b"" for record in stack.observed(stream, since)]
    return [value for value in records if codec.decode(value, OBSERVED.record).dimension == dimension]  # type: ignore[attr-defined]


async def test_a_retried_process_batch_counts_each_batch_once_even_where_labels_repeat(
    stack: Stack, http: httpx.AsyncClient
) -> None:
    stream, key = stack.stream(), {"Idempotency-Key": "again"}
    batches = [{"batch_id": label, "points": EXAMPLE} for label in ("a", "a", "b")]

    async def send(some: list[Json]) -> list[bool]:
        body = {"batches": some, "stream": stream}
        answer = (await http.post("/api/v1/process_batch", json=body, headers=key)).json()
        return [result["duplicate"] for result in answer["batch_results"]]

    assert await send(batches) == [False, False, False]
    assert await send(batches) == [True, True, True]
    assert await send([batches[2], {"batch_id": "c", "points": EXAMPLE}]) == [True, False]
    summary = (await http.get("/api/v1/clusters_summary", params={"stream": stream})).json()
    assert summary["total_points_processed"] == 12


async def test_wrong_batches_and_options_are_refused_before_anything_is_sent(
    stack: Stack, http: httpx.AsyncClient
) -> None:
    stream, since = stack.stream(), stack.marks()
    body = {
        "stream": stream,
        "batches": [{"batch_id": "", "points": EXAMPLE}, {"batch_id": "b", "points": [[1], [1, 2]]}],
        "processing_options": {"max_concurrent": 0, "timeout_per_batch": 0},
    }
    answer = await http.post("/api/v1/process_batch", json=body)
    assert answer.status_code == 422
    assert {each["field"] for each in answer.json()["error"]["details"]} == {
        "batches.0.batch_id",
        "batches.1.points.1",
        "processing_options.max_concurrent",
        "processing_options.timeout_per_batch",
    }
    assert stack.observed(stream, since) == []


async def test_the_summary_filters_by_all_that_is_documented(stack: Stack, http: httpx.AsyncClient) -> None:
    stream = stack.stream()
    await process(http, stream, blobs(800))

    async def summary(**filters: object) -> Json:
        answer = await http.get("/api/v1/clusters_summary", params={"stream": stream, **filters})  # type: ignore[dict-item]
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    whole = await summary()
    infos = whole["clusters_info"]
    assert whole["num_active_clusters"] == len(infos) >= 4
    assert whole["cluster_ids"] == [info["cluster_id"] for info in infos]
    assert sum(whole["cluster_distribution"].values()) == len(infos)
    assert set(whole["cluster_distribution"]) == {"healthy", "warning", "critical"}
    assert whole["average_cluster_confidence"] == pytest.approx(np.mean([info["confidence"] for info in infos]))
    size = sorted(info["size"] for info in infos)[2]
    assert (await summary(min_size=size))["cluster_ids"] == [i["cluster_id"] for i in infos if i["size"] >= size]
    quality = sorted(info["quality_score"] for info in infos)[1]
    good = [info["cluster_id"] for info in infos if info["quality_score"] >= quality]
    assert (await summary(quality_threshold=quality))["cluster_ids"] == good
    assert len(good) < len(infos)
    assert (await summary(cluster_id=infos[1]["cluster_id"]))["clusters_info"] == [infos[1]]
    health = infos[0]["health_status"]
    assert (await summary(health_status=health))["cluster_ids"] == [
        info["cluster_id"] for info in infos if info["health_status"] == health
    ]
    page = await summary(limit=2, offset=1)
    assert (page["clusters_info"], len(page["cluster_ids"])) == (infos[1:3], len(infos))
    assert (await summary(offset=len(infos)))["clusters_info"] == []
    for wrong in ({"quality_threshold": 1.1}, {"health_status": "fine"}, {"limit": 0}, {"cluster_id": "x"}):
        answer = await http.get("/api/v1/clusters_summary", params={"stream": stream, **wrong})
        assert answer.status_code == 422
    assert (await http.get("/api/v1/clusters_summary", params={"stream": "nobody"})).status_code == 404


async def test_every_figure_of_the_status_is_measured(stack: Stack, http: httpx.AsyncClient) -> None:
    stream, begun = stack.stream(), time.monotonic()
    for part in range(5):
        await process(http, stream, blobs(200, seed=part))
    await process(http, stream, [[0.0]])
    status = (await http.get("/api/v1/algorithm_status", params={"stream": stream})).json()
    latency = status["performance_metrics"]
    assert status["is_ready"] is True
    assert status["total_points_processed"] == 1000
    assert 0 < latency["p50_latency_ms"] <= latency["p95_latency_ms"] <= latency["p99_latency_ms"]
    assert latency["p99_latency_ms"] <= status["max_processing_time_ms"]
    assert 0 < status["last_processing_time_ms"] <= status["max_processing_time_ms"]
    assert 0 < status["average_processing_time_ms"] <= status["max_processing_time_ms"]
    assert 50 < status["memory_usage_mb"] < 4000
    assert status["uptime_seconds"] > time.monotonic() - begun
    assert 1000 / (time.monotonic() - begun + 1) / 2 < status["throughput_points_per_second"] < 1_000_000
    assert (status["error_count"], status["error_rate"]) == (1, pytest.approx(1 / 6))
    assert 0 < status["current_dynamic_threshold"] <= 1
    assert 0 < status["clustering_quality"] <= 1
    assert 0 <= status["global_stability"] <= 1
    assert status["adaptation_rate"] > 0
    assert status["active_clusters"] >= 1
    assert status["drift_detected"] is False
    assert status["last_drift_detection"] is None
    assert status["worker"] == "worker-80"


async def test_the_default_stream_has_a_status_before_its_first_point(http: httpx.AsyncClient) -> None:
    status = (await http.get("/api/v1/algorithm_status")).json()
    assert {"is_ready", "total_points_processed", "active_clusters", "last_processing_time_ms"} <= set(status)
    assert (await http.get("/api/v1/clusters_summary")).status_code == 200


async def test_admins_reset_and_delete_streams_and_others_do_not(stack: Stack, http: httpx.AsyncClient) -> None:
    stream = stack.stream()
    await process(http, stream, EXAMPLE, clustering_config={"algorithm": "adaptive"})
    listed = (await http.get("/api/v1/streams", params={"limit": 1000})).json()
    assert [each["dimension"] for each in listed["streams"] if each["stream"] == stream] == [3]
    one = (await http.get(f"/api/v1/streams/{stream}")).json()
    assert (one["total_points_processed"], one["algorithm"]) == (3, "adaptive")
    assert (await http.post(f"/api/v1/streams/{stream}/reset")).status_code == 403
    assert (await http.delete(f"/api/v1/streams/{stream}")).status_code == 403
    async with stack.client("admin") as admin:
        reset = await admin.post(f"/api/v1/streams/{stream}/reset")
        assert (reset.status_code, reset.json()["action"]) == (200, "reset")
        assert (await admin.get(f"/api/v1/streams/{stream}")).json()["total_points_processed"] == 0
        assert (await process(http, stream, [[1.0, 2.0]])).status_code == 200
        assert (await admin.delete(f"/api/v1/streams/{stream}")).json()["action"] == "deleted"
        assert (await admin.get(f"/api/v1/streams/{stream}")).status_code == 404
        assert (await admin.delete(f"/api/v1/streams/{stream}")).status_code == 404
    assert (await process(http, stream, [[1.0]])).status_code == 200


async def test_a_stream_is_learned_by_the_algorithm_its_first_points_name(
    stack: Stack, http: httpx.AsyncClient
) -> None:
    stream = stack.stream()
    config = {"algorithm": "river.DBSTREAM", "parameters": {"clustering_threshold": 2.0}}
    answer = await process(http, stream, blobs(100), clustering_config=config)
    assert answer.status_code == 200, answer.text
    assert answer.json()["clusters"]
    status = (await http.get("/api/v1/algorithm_status", params={"stream": stream})).json()
    assert status["algorithm"] == "river.DBSTREAM"
    assert (status["clustering_quality"], "clustering_quality" in status["unmeasured"]) == (0, True)
    other = await process(http, stream, blobs(1), clustering_config={"algorithm": "adaptive"})
    assert other.status_code == 422
    assert other.json()["error"]["details"][0]["field"] == "clustering_config.algorithm"


async def test_an_unknown_algorithm_makes_no_stream(stack: Stack, http: httpx.AsyncClient) -> None:
    stream = stack.stream()
    answer = await process(http, stream, EXAMPLE, clustering_config={"algorithm": "magic"})
    assert answer.status_code == 422
    [wrong] = answer.json()["error"]["details"]
    assert wrong["field"] == "clustering_config"
    assert "river.DBSTREAM" in wrong["message"]
    assert (await http.get(f"/api/v1/streams/{stream}")).status_code == 404


async def test_a_producer_straight_to_the_log_finds_its_rows_exactly_once(stack: Stack) -> None:
    stream = stack.stream()

    def produce() -> None:
        producer = Librdkafka({"bootstrap.servers": stack.kafka.bootstrap, "partitioner": "murmur2_random"})
        field = SerializationContext(OBSERVED.name, MessageField.VALUE)
        with SchemaRegistryClient({"url": stack.api.url}) as registry:
            serialize = AvroSerializer(registry, conf={"auto.register.schemas": False, "use.latest.version": True})
            for points in (EXAMPLE, EXAMPLE[:1]):
                values = [number for point in points for number in point]
                record = {"stream": stream, "observed_at": now(), "dimension": 3, "values": values}
                producer.produce(OBSERVED.name, key=stream.encode(), value=serialize(record, field))
        assert producer.flush(30) == 0

    await asyncio.to_thread(produce)
    rows = await stack.rows(stream, 4)
    assert [list(row[0]) for row in rows] == [*EXAMPLE, EXAMPLE[0]]
    assert [row[1] for row in rows] == [1, 1, -1, 1]


async def test_a_poisoned_record_goes_to_the_dead_letters_and_the_worker_lives(
    stack: Stack, http: httpx.AsyncClient
) -> None:
    stream = stack.stream()
    producer = Producer(stack.kafka, "poisoner")
    place = await producer.send(OBSERVED.name, b"not avro", key=stream.encode())
    await producer.close()
    assert (await process(http, stream, EXAMPLE)).status_code == 200
    codec = Codec()
    letters = [codec.decode(each.value or b"", Refused) for each in stretch(stack.kafka, OBSERVED.refused)]
    [letter] = [letter for letter in letters if letter.position == place]
    assert (letter.reason, letter.value) == ("frame_invalid", b"not avro")
    assert stack.worker.process.poll() is None


async def test_without_a_worker_points_are_accepted_and_done_when_it_is_back(
    stack: Stack, http: httpx.AsyncClient
) -> None:
    stream, key = stack.stream(), {"Idempotency-Key": "patience"}
    body = {"points": EXAMPLE, "stream": stream, "timeout": 1000}
    assert (await process(http, stream, EXAMPLE)).status_code == 200  # whose it is is decided by a worker
    assert stack.worker.stop() == 0
    try:
        late = await http.post("/api/v1/process_points", json=body, headers=key)
        assert late.status_code == 503
        error = late.json()["error"]
        assert error["code"] == "RESOURCE_ERROR"
        assert int(late.headers["Retry-After"]) >= 1
        request_id, positions = error["details"]["request_id"], error["details"]["positions"]
        assert len(positions) == 1
        batch = await http.post(
            "/api/v1/process_batch",
            json={
                "batches": [{"batch_id": "b", "points": EXAMPLE}],
                "stream": stream,
                "processing_options": {"timeout_per_batch": 1},
            },
        )
        assert batch.status_code == 200
        assert batch.json()["batch_results"][0]["status"] == "timeout"
        assert batch.json()["failed_batches"] == 1
        state = (await http.get(f"/api/v1/requests/{request_id}")).json()
        assert (state["status"], state["positions"]) == ("accepted", positions)
    finally:
        stack.worker.start()

    async def done() -> bool:
        return bool((await http.get(f"/api/v1/requests/{request_id}")).json()["status"] == "done")

    await until(done)
    again = (await http.post("/api/v1/process_points", json=body | {"timeout": 30_000}, headers=key)).json()
    assert again["duplicate"] is True
    summary = (await http.get("/api/v1/clusters_summary", params={"stream": stream})).json()
    assert summary["total_points_processed"] == 9


async def test_a_users_stream_is_theirs_alone_until_they_share_it(stack: Stack, http: httpx.AsyncClient) -> None:
    name = stack.stream()
    async with stack.client("admin") as admin, stack.user(admin) as ada, stack.user(admin) as eve:
        mine = (await process(ada, name, EXAMPLE)).json()
        hers = (await process(eve, name, EXAMPLE[:1])).json()
        assert (mine["stream"], mine["total_points"]) == (name, 3)
        assert hers["stream"].startswith(f"{name}:")
        for path in ("/api/v1/clusters_summary", "/api/v1/algorithm_status"):
            assert (await ada.get(path, params={"stream": name})).json()["total_points_processed"] == 3
            assert (await eve.get(path, params={"stream": name})).json()["total_points_processed"] == 1
            assert (await ada.get(path, params={"stream": hers["stream"]})).status_code == 404
            assert (await http.get(path, params={"stream": name})).status_code == 404
        for caller, sees in ((ada, {name}), (eve, {hers["stream"]}), (http, set()), (admin, {name, hers["stream"]})):
            listed = (await caller.get("/api/v1/streams", params={"limit": 1000})).json()
            assert {each["stream"] for each in listed["streams"]} & {name, hers["stream"]} == sees
            assert listed["total"] == len(listed["streams"])
        assert (await eve.delete(f"/api/v1/streams/{mine['stream']}")).json()["stream"] == hers["stream"]
        assert (await eve.get(f"/api/v1/streams/{name}")).status_code == 404
        path = f"/api/v1/streams/{name}/access"
        assert (await ada.patch(path, json={"visibility": "public-read"})).status_code == 200
        assert (await http.get(f"/api/v1/streams/{name}")).status_code == 200
        assert (await http.get("/api/v1/requests/" + mine["request_id"])).status_code == 404
        assert (await http.post(f"/api/v1/streams/{name}/reset")).status_code == 403


async def test_a_retry_counts_once_although_the_worker_was_killed_between(
    stack: Stack, http: httpx.AsyncClient
) -> None:
    stream, key = stack.stream(), {"Idempotency-Key": "kill -9"}
    body = {"points": EXAMPLE, "stream": stream}
    assert (await http.post("/api/v1/process_points", json=body, headers=key)).json()["duplicate"] is False
    stack.worker.kill()
    stack.worker.start()
    assert (await http.post("/api/v1/process_points", json=body, headers=key)).json()["duplicate"] is True
    await asyncio.sleep(1)
    assert len(await stack.rows(stream, 3)) == 3


async def test_a_request_is_known_from_the_warehouse_when_the_api_has_restarted(stack: Stack) -> None:
    stream = stack.stream()
    async with stack.client() as http:
        answer = (await process(http, stream, EXAMPLE)).json()
        await stack.rows(stream, 3)
        stack.api.stop()
        stack.api.start()
        state = (await http.get(f"/api/v1/requests/{answer['request_id']}")).json()
        assert (state["status"], state["total_points"], state["result"]) == ("done", 3, None)
        assert state["positions"] == answer["positions"]
        summary = (await http.get("/api/v1/clusters_summary", params={"stream": stream})).json()
        assert summary["total_points_processed"] == 3
    async with stack.client("other") as other:
        assert (await other.get(f"/api/v1/requests/{answer['request_id']}")).status_code == 404


async def test_the_examples_of_the_documents_are_what_happens(stack: Stack, http: httpx.AsyncClient) -> None:
    query = {"stream": stack.stream()}
    answer = await http.post("/api/v1/process_points", params=query, json=examples.PROCESS_POINTS)
    like(examples.PROCESSED, answer.json())
    request_id = answer.json()["request_id"]
    like(REQUEST_STATE, (await http.get(f"/api/v1/requests/{request_id}")).json())
    like(examples.CLUSTERS_SUMMARY, (await http.get("/api/v1/clusters_summary", params=query)).json())
    like(examples.ALGORITHM_STATUS, (await http.get("/api/v1/algorithm_status", params=query)).json())
    like(examples.STREAM_INFO, (await http.get(f"/api/v1/streams/{query['stream']}")).json())
    like(examples.STREAM_LIST, (await http.get("/api/v1/streams")).json())
    asynchronous = await http.post(
        "/api/v1/process_points", params=query, json=examples.PROCESS_POINTS, headers={"Prefer": "respond-async"}
    )
    assert asynchronous.headers["Preference-Applied"] == "respond-async"
    like(examples.ACCEPTED, asynchronous.json())
    async with stack.client("admin") as admin:
        like(examples.ORDERED, (await admin.post(f"/api/v1/streams/{query['stream']}/reset")).json())
    batches = await http.post("/api/v1/process_batch", params=query, json=examples.PROCESS_BATCH)
    like(examples.PROCESSED_BATCHES, batches.json())


VARYING = {"stream", "request_id", "positions", "position", "location", "total", "worker", "detail"}


def like(example: object, found: object, name: str = "") -> None:
    """The answer has the example's keys and types; words and whole numbers are the same, but for what varies."""
    assert isinstance(found, type(example)), f"{name}: {found!r} where {example!r} is documented"
    if isinstance(example, dict) and isinstance(found, dict):
        assert found.keys() == example.keys(), name
        for key in example.keys() - VARYING:
            like(example[key], found[key], f"{name}.{key}")
    elif isinstance(example, list) and isinstance(found, list):
        if name != ".streams":
            assert len(found) == len(example), name
        for one, other in zip(example, found, strict=False):
            like(one, other, f"{name}[]" if name != ".streams" else name)
    elif not isinstance(example, float) and not str(example).startswith("2025-"):
        assert name.startswith(".streams") or found == example, f"{name}: {found!r} where {example!r} is documented"


async def test_health_is_probed(stack: Stack, http: httpx.AsyncClient) -> None:
    async def healthy() -> bool:
        return (await http.get("/health")).status_code == 200

    await until(healthy)
    body = (await http.get("/api/v1/health")).json()
    assert body["components"] == {
        "log": "healthy",
        "database": "healthy",
        "algorithm": "healthy",
        "accounts": "healthy",
        "redis": "not_used",
    }
    assert math.isfinite(body["uptime_seconds"])
