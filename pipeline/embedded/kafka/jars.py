"""Kafka's jars: which ones (the lock), where they are kept, and that they are the ones that were locked."""

from __future__ import annotations

import hashlib
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests
from jgo.config import GlobalSettings
from jgo.env import EnvironmentSpec, LockedDependency, LockFile, compute_spec_hash
from jgo.maven import MavenContext, PythonResolver

from pipeline.errors import Broken, Unavailable

SPEC = Path(__file__).with_name("jgo.toml")
LOCK = Path(__file__).with_name("jgo.lock.toml")
_AT_ONCE = 6
_TIMEOUT_S = 60
_TELL_EVERY_S = 0.2


class JarMismatch(Broken):
    """A jar's bytes are not those that were locked: it was tampered with, or a mirror serves another file."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """How far a fetch is: whole jars, and bytes over the network so far."""

    jars: int
    of_jars: int
    bytes: int

    def __str__(self) -> str:
        return f"fetching Kafka: {self.jars} of {self.of_jars} jars, {self.bytes / 1e6:.1f} MB"


Progress = Callable[[Fetched], object]


class JarStore:
    """The local Maven repository, seen through a lock.

    `repository` defaults to jgo's own setting: M2_REPO, else `repo_cache` of the user's jgo.conf, else
    ~/.m2/repository. A mirror named in jgo.conf's [repositories] is used in place of the central repository.
    """

    def __init__(self, lock: Path = LOCK, repository: Path | None = None) -> None:
        settings = GlobalSettings.load()
        self._locked: list[LockedDependency] = LockFile.load(lock).dependencies
        self._remotes: dict[str, str] | None = settings.repositories or None
        self.repository = repository or Path(settings.repo_cache)

    def class_path(self, progress: Progress | None = None) -> list[Path]:
        """Every locked jar, fetched where it is missing, its SHA-256 checked on each call.

        Raises JarMismatch when a fetched jar differs from the lock, Unavailable when one cannot be fetched.
        """
        missing = [jar for jar in self._locked if not self._holds(jar)]
        if missing:
            self._fetch(missing, progress)
        return [self.path(jar) for jar in self._locked]

    def path(self, jar: LockedDependency) -> Path:
        classifier = f"-{jar.classifier}" if jar.classifier else ""
        folder = self.repository.joinpath(*jar.groupId.split("."), jar.artifactId, jar.version)
        return folder / f"{jar.artifactId}-{jar.version}{classifier}.{jar.packaging}"

    def _holds(self, jar: LockedDependency) -> bool:
        path = self.path(jar)
        return path.is_file() and _sha256(path) == jar.sha256

    def _fetch(self, missing: list[LockedDependency], progress: Progress | None) -> None:
        """Into a folder of its own first: a fetch that is cut off, or raced by another, never shows a half jar."""
        self.repository.mkdir(parents=True, exist_ok=True)
        meter = _Meter(len(missing), progress)
        with tempfile.TemporaryDirectory(prefix=".thalweg-", dir=self.repository) as folder:
            resolver = PythonResolver(progress_callback=meter.watch)
            staging = MavenContext(resolver, Path(folder), remote_repos=self._remotes, timeout=_TIMEOUT_S)
            with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="fetch") as pool:
                for _ in pool.map(lambda jar: self._fetch_one(staging, jar, meter), missing):
                    pass

    def _fetch_one(self, staging: MavenContext, jar: LockedDependency, meter: _Meter) -> None:
        name = f"{jar.groupId}:{jar.artifactId}:{jar.version}"
        component = staging.project(jar.groupId, jar.artifactId).at_version(jar.version)
        try:
            fetched: Path = component.artifact(jar.classifier or "", jar.packaging).resolve()
        except (requests.RequestException, RuntimeError, OSError) as error:
            raise Unavailable(
                f"{name} could not be fetched: check the network, or name a mirror under [repositories] in "
                f"~/.config/jgo.conf ({type(error).__name__}: {_first_line(error)})"
            ) from error
        if _sha256(fetched) != jar.sha256:
            raise JarMismatch(f"{name} is not the jar that was locked (its SHA-256 differs); it was not used")
        path = self.path(jar)
        path.parent.mkdir(parents=True, exist_ok=True)
        os.replace(fetched, path)
        meter.whole()


def write_lock(lock: Path = LOCK, spec: Path = SPEC) -> int:
    """Resolves the specification anew and writes its lock; returns the number of jars. For maintainers."""
    wanted = EnvironmentSpec.load(spec)
    context = MavenContext(remote_repos=GlobalSettings.load().repositories or None, timeout=_TIMEOUT_S)
    inputs, transitive = context.resolver.resolve([context.create_dependency(it) for it in wanted.coordinates])
    locked = LockFile.from_resolved_dependencies(
        [*inputs, *transitive], environment_name=wanted.name, spec_hash=compute_spec_hash(spec)
    )
    locked.save(lock)
    return len(locked.dependencies)


class _Meter:
    def __init__(self, of_jars: int, progress: Progress | None) -> None:
        self._lock = threading.Lock()
        self._progress = progress
        self._of_jars = of_jars
        self._jars = 0
        self._bytes = 0
        self._told = 0.0

    @contextmanager
    def watch(self, _name: str, _size: int) -> Iterator[Callable[[int], None]]:
        yield lambda count: self._add(0, count)

    def whole(self) -> None:
        self._add(1, 0)

    def _add(self, jars: int, count: int) -> None:
        with self._lock:
            self._jars += jars
            self._bytes += count
            if self._progress is not None and (jars or time.monotonic() - self._told >= _TELL_EVERY_S):
                self._told = time.monotonic()
                self._progress(Fetched(self._jars, self._of_jars, self._bytes))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0]
