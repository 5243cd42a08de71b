"""The two servers that fan out, each a process of its own: the API behind a real broker, and Centrifugo."""

from __future__ import annotations

import base64
import http.client
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol
from urllib.parse import urlencode

import httpx
import numpy as np
import psutil
from confluent_kafka import Producer

from bench.live.listeners import Call, Form, masked
from pipeline.clock import now
from pipeline.embedded.kafka.broker import BrokerProcess
from pipeline.kafka.provision import provision
from pipeline.settings import KafkaSettings
from schemas.clustering.clusters import ClustersUpdated, WorkerFigures
from schemas.clustering.topics import CLUSTERS
from schemas.codec import Codec
from tests.ports import free_ports

STREAM = "bench"
PEER_BUILD = (
    "not found: name one with --centrifugo; in an empty folder `go mod init peer && "
    "go get github.com/centrifugal/centrifugo/v5@v5.4.9 && "
    "go build -mod=mod -o centrifugo github.com/centrifugal/centrifugo/v5` makes it"
)
_UPGRADE = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    f"Sec-WebSocket-Key: {base64.b64encode(bytes(16)).decode()}\r\n"
)


class Server(Protocol):
    """One that fans out what is published to whoever listens."""

    name: str

    @property
    def process(self) -> psutil.Process: ...

    def call(self, form: Form, count: int) -> Call:
        """How its listeners are connected."""

    def publish(self) -> None:
        """One message, which says when it was sent and its number. Waits for no listener."""


class Api:
    """`python -m ingest_api`; a message is a record in the log, told as one `algorithm_status`."""

    name = "API"

    def __init__(self, process: subprocess.Popen[str], port: int, kafka: KafkaSettings) -> None:
        self.process, self._port = psutil.Process(process.pid), port
        self._producer = Producer({"bootstrap.servers": kafka.bootstrap, "linger.ms": 0, "acks": "all"})
        self._codec, self._number = Codec(), 0
        login = {"username": "admin", "password": "admin123"}
        answer = httpx.post(f"http://127.0.0.1:{port}/auth/login", data=login).raise_for_status()
        self._token: str = answer.json()["access_token"]

    def call(self, form: Form, count: int) -> Call:
        asked = urlencode({"topics": "clusters", "policy": "drop_oldest", "token": self._token})
        path = "/ws/events" if form is Form.WEBSOCKET else "/api/v1/events"
        upgrade = _UPGRADE if form is Form.WEBSOCKET else ""
        request = f"GET {path}?{asked} HTTP/1.1\r\nHost: bench\r\n{upgrade}\r\n"
        return Call("127.0.0.1", self._port, form, count, request.encode())

    def close(self) -> None:
        self._producer.flush(10)

    def publish(self) -> None:
        self._number += 1
        value = self._codec.encode(_record(self._number))
        self._producer.produce(CLUSTERS.name, value, STREAM.encode())
        self._producer.poll(0)


class Centrifugo:
    """The same message to one channel, through Centrifugo's HTTP interface, to unidirectional clients."""

    name = "Centrifugo"

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.process, self._port, self._number = psutil.Process(process.pid), port, 0
        self._http = http.client.HTTPConnection("127.0.0.1", port)

    def call(self, form: Form, count: int) -> Call:
        asked: dict[str, object] = {"subs": {STREAM: {}}}
        if form is Form.WEBSOCKET:
            request = f"GET /connection/uni_websocket HTTP/1.1\r\nHost: bench\r\n{_UPGRADE}\r\n"
            return Call("127.0.0.1", self._port, form, count, request.encode(), masked(1, json.dumps(asked).encode()))
        query = urlencode({"cf_connect": json.dumps(asked)})
        request = f"GET /connection/uni_sse?{query} HTTP/1.1\r\nHost: bench\r\n\r\n"
        return Call("127.0.0.1", self._port, form, count, request.encode())

    def publish(self) -> None:
        self._number += 1
        body = b'{"channel":"%s","data":%s}' % (STREAM.encode(), _message(self._number))
        self._http.request("POST", "/api/publish", body, {"Content-Type": "application/json"})
        answer = self._http.getresponse().read()
        if b'"error"' in answer:
            raise RuntimeError(answer.decode())


@contextmanager
def api(listeners: int) -> Iterator[Api]:
    """With a broker of its own on empty data, and room for so many listeners."""
    broker_port, controller, port = free_ports(3)
    with TemporaryDirectory() as folder, BrokerProcess(Path(folder) / "kafka", broker_port, controller) as broker:
        kafka = KafkaSettings(broker.bootstrap)
        provision(kafka)
        clean = {name: value for name, value in os.environ.items() if not name.startswith("THALWEG_")}
        room = str(2 * listeners)
        told = {
            "THALWEG_API_PORT": str(port),
            "THALWEG_KAFKA_BOOTSTRAP": broker.bootstrap,
            "THALWEG_RATE_LIMITS": "off",
            "THALWEG_LIVE_SUBSCRIBERS": room,
            "THALWEG_LIVE_SUBSCRIBERS_EACH": room,
            "THALWEG_API_CONNECTIONS": room,
        }
        command = (sys.executable, "-m", "ingest_api")
        with (Path(folder) / "api.log").open("wb") as log:
            process = subprocess.Popen(command, env=clean | told, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            assert process.stdout is not None
            if "READY" not in process.stdout.readline():
                raise RuntimeError((Path(folder) / "api.log").read_text())
            served = Api(process, port, kafka)
            yield served
            served.close()
        finally:
            _end(process)


@contextmanager
def centrifugo(binary: Path) -> Iterator[Centrifugo]:
    """As it comes, but open to everybody and with its unidirectional transports on."""
    [port] = free_ports(1)
    settings = {
        "port": port,
        "client_insecure": True,
        "allow_subscribe_for_client": True,
        "allow_subscribe_for_anonymous": True,
        "allow_anonymous_connect_without_token": True,
        "api_insecure": True,
        "uni_websocket": True,
        "uni_sse": True,
        "log_level": "error",
        "client_channel_limit": 10,
    }
    with TemporaryDirectory() as folder:
        path = Path(folder) / "config.json"
        path.write_text(json.dumps(settings))
        process = subprocess.Popen((str(binary), "--config", str(path)))
        try:
            _until_open(port)
            yield Centrifugo(process, port)
        finally:
            _end(process)


def peer(named: Path | None) -> Path | None:
    """Centrifugo's binary: as named, else THALWEG_BENCH_CENTRIFUGO, else on the path or where Go installs."""
    given = named or os.environ.get("THALWEG_BENCH_CENTRIFUGO")
    found = given or shutil.which("centrifugo") or shutil.which("centrifugo", path=str(Path.home() / "go" / "bin"))
    return Path(found) if found else None


def _record(number: int) -> ClustersUpdated:
    """One that tells no cluster but the state of the model, and is no repeat of another."""
    sent = now()
    figures = WorkerFigures("bench", 0, 0, 0, 0, None, None, None, None, None, None)
    return ClustersUpdated(
        stream=STREAM,
        source_partition=0,
        source_offset=number,
        updated_at=sent,
        created_at=sent,
        algorithm="adaptive",
        dimension=2,
        points=sent,
        batches=number,
        outliers=number,
        refused=0,
        dynamic_threshold=0.5,
        clustering_quality=0.9,
        global_stability=0.9,
        adaptation_rate=1.0,
        outlier_rate=0.0,
        drift_detected=False,
        drifts=0,
        last_drift_at=None,
        worker=figures,
        clusters=[],
        centers=np.empty(0),
    )


def _message(number: int) -> bytes:
    """What the API tells of such a record, byte for byte but for the cursor, which stands here as filler."""
    return _MESSAGE % (now(), number, number)


_MESSAGE = (
    b'{"type":"algorithm_status","data":{"stream":"bench","algorithm":"adaptive","clustering_quality":0.9,'
    b'"active_clusters":0,"cluster_ids":[],"drift_detected":false,"global_stability":0.9,"adaptation_rate":1.0,'
    b'"dynamic_threshold":0.5,"outlier_rate":0.0,"total_points_processed":%d,"outliers_detected":%d,'
    b'"position":"points.observed.v1-0-%d"},"timestamp":"2026-01-01T00:00:00.000Z","cursor":"' + b"A" * 108 + b'"}'
)


def _until_open(port: int) -> None:
    for _ in range(300):
        try:
            http.client.HTTPConnection("127.0.0.1", port, timeout=1).connect()
            return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError("centrifugo did not answer within 30 s")


def _end(process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
