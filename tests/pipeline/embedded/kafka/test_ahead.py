"""What is loaded ahead of time: the JVM takes it where it is there, and goes on without it where it is not."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from pipeline.embedded.kafka import ahead
from pipeline.embedded.kafka.jars import JarStore
from pipeline.embedded.kafka.jvm import STORAGE_TOOL, Jvm


@pytest.fixture(scope="module")
def class_path() -> Sequence[Path]:
    return JarStore().class_path()


def run(class_path: Sequence[Path], folder: Path, file: Path | None, *options: str) -> str:
    """A tool of Kafka's that prints an id, and whatever else is printed."""
    program, *arguments = Jvm(class_path, 512, folder, file).command(STORAGE_TOOL, "random-uuid")
    ran = subprocess.run([program, *options, *arguments], capture_output=True, text=True, timeout=120, check=True)
    return ran.stdout + ran.stderr


def test_what_was_made_ahead_is_what_kafka_starts_from(class_path: Sequence[Path], tmp_path: Path) -> None:
    assert ahead.make(class_path)
    file = ahead.kept(class_path)
    with pytest.raises(subprocess.CalledProcessError):
        run(class_path, tmp_path, None, "-XX:AOTMode=on", f"-XX:AOTCache={tmp_path / 'none.aot'}")
    assert "Registered" in run(class_path, tmp_path, file, "-XX:AOTMode=on")


def test_a_file_that_is_none_is_passed_over_without_a_word(class_path: Sequence[Path], tmp_path: Path) -> None:
    spoilt = tmp_path / "spoilt.aot"
    spoilt.write_bytes(b"no classes" * 1000)
    said = run(class_path, tmp_path, spoilt)
    assert "Registered" in said
    assert "aot" not in said.lower()


def test_a_file_that_is_not_there_is_not_asked_for(tmp_path: Path) -> None:
    command = Jvm((), 512, tmp_path, tmp_path / "none.aot").command(STORAGE_TOOL)
    assert not [argument for argument in command if "AOT" in argument]


def test_other_jars_have_another_file(class_path: Sequence[Path]) -> None:
    assert ahead.kept(class_path) == ahead.kept(list(class_path))
    assert ahead.kept(class_path) != ahead.kept(class_path[1:])
