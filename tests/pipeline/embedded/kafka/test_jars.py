"""Only the jars that were locked are used, wherever they come from."""

from __future__ import annotations

import functools
import hashlib
import http.server
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from jgo.env import LockFile, compute_spec_hash

from pipeline.embedded.kafka.jars import LOCK, SPEC, Fetched, JarMismatch, JarStore
from pipeline.errors import Unavailable
from tests.ports import free_ports


@dataclass
class Mirror:
    """A Maven repository over HTTP, holding two jars, and a lock that names them."""

    folder: Path
    lock: Path
    repository: Path

    def path(self, name: str) -> Path:
        return self.folder / "org" / "example" / name / "1.0" / f"{name}-1.0.jar"

    def store(self) -> JarStore:
        return JarStore(self.lock, self.repository)


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    made = Mirror(tmp_path / "mirror", tmp_path / "lock.toml", tmp_path / "repository")
    entries = []
    for name in ("one", "two"):
        path = made.path(name)
        path.parent.mkdir(parents=True)
        path.write_bytes(name.encode() * 1000)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        entries.append(
            f'[[dependencies]]\ngroupId = "org.example"\nartifactId = "{name}"\nversion = "1.0"\nsha256 = "{digest}"\n'
        )
    made.lock.write_text("\n".join(entries))
    handler = functools.partial(_Silent, directory=str(made.folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        _use_mirror(monkeypatch, tmp_path, server.server_address[1])
        yield made
        server.shutdown()
        serving.join()


class _Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def _use_mirror(monkeypatch: pytest.MonkeyPatch, folder: Path, port: int) -> None:
    conf = folder / "jgo.conf"
    conf.write_text(f"[repositories]\nmirror = http://127.0.0.1:{port}\n")
    monkeypatch.setenv("JGO_CONFIG_FILE", str(conf))


def test_missing_jars_are_fetched_from_the_mirror_and_told_of(mirror: Mirror) -> None:
    told: list[Fetched] = []
    paths = mirror.store().class_path(told.append)
    assert [path.read_bytes() for path in paths] == [b"one" * 1000, b"two" * 1000]
    assert told[-1] == Fetched(2, 2, 6000)


def test_what_is_there_is_not_fetched_again(mirror: Mirror) -> None:
    paths = mirror.store().class_path()
    mirror.path("one").unlink()
    told: list[Fetched] = []
    assert mirror.store().class_path(told.append) == paths
    assert told == []


def test_a_jar_whose_bytes_differ_from_the_lock_is_refused_and_not_kept(mirror: Mirror) -> None:
    mirror.path("two").write_bytes(b"not what was locked")
    with pytest.raises(JarMismatch, match=r"org\.example:two:1\.0 is not the jar that was locked"):
        mirror.store().class_path()
    assert not list(mirror.repository.rglob("two*.jar"))


def test_a_damaged_jar_is_fetched_again(mirror: Mirror) -> None:
    paths = mirror.store().class_path()
    paths[0].write_bytes(b"half a j")
    assert mirror.store().class_path() == paths
    assert paths[0].read_bytes() == b"one" * 1000


def test_a_jar_that_cannot_be_had_is_named(mirror: Mirror) -> None:
    mirror.path("one").unlink()
    with pytest.raises(Unavailable, match=r"org\.example:one:1\.0 could not be fetched"):
        mirror.store().class_path()


def test_no_network_is_said_so(mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _use_mirror(monkeypatch, tmp_path, free_ports(1)[0])
    with pytest.raises(Unavailable, match="check the network"):
        mirror.store().class_path()


def test_the_lock_is_that_of_the_specification_and_every_jar_has_its_digest() -> None:
    lock = LockFile.load(LOCK)
    assert lock.spec_hash == compute_spec_hash(SPEC)
    assert all(len(jar.sha256 or "") == 64 for jar in lock.dependencies)
    versions = {jar.artifactId: jar.version for jar in lock.dependencies}
    assert versions["kafka_2.13"] == versions["kafka-clients"] == "4.3.1"


def test_the_lock_names_no_host() -> None:
    assert "://" not in LOCK.read_text() + SPEC.read_text()
