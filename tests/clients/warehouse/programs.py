"""Programs in other languages, written as others write them: built once for a test session, and what they said."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
_BUILD_S = 500.0
_RUN_S = 300.0


def go_program(directory: Path) -> list[str]:
    """Builds the one in `go/`. Skips where there is no Go, or its libraries (go.sum names them) cannot be had."""
    go = shutil.which("go") or pytest.skip("there is no Go here")
    environment = os.environ | {"GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly -buildvcs=false"}
    if _fails([go, "mod", "download"], HERE / "go", environment):
        pytest.skip("the Go module proxy does not answer, or this Go is too old")
    program = directory / "client"
    built = subprocess.run(
        [go, "build", "-o", str(program), "."],
        cwd=HERE / "go",
        env=environment,
        capture_output=True,
        text=True,
        timeout=_BUILD_S,
    )
    assert built.returncode == 0, built.stderr
    return [str(program)]


def java_program(directory: Path) -> list[str]:
    """Compiles the one in `jdbc/`. Skips where there is no JDK or Maven, or its libraries cannot be had."""
    maven, javac, java = (shutil.which(name) or pytest.skip(f"there is no {name} here") for name in _JAVA)
    libraries = directory / "libraries"
    fetch = [maven, "-q", "-B", "-f", str(HERE / "jdbc" / "pom.xml"), "dependency:copy-dependencies"]
    if _fails([*fetch, f"-DoutputDirectory={libraries}"], directory, dict(os.environ)):
        pytest.skip("Maven Central does not answer")
    expected = set((HERE / "jdbc" / "checksums.txt").read_text("utf-8").splitlines())
    assert {f"{_checksum(jar)}  {jar.name}" for jar in libraries.glob("*.jar")} == expected
    classes = directory / "classes"
    compiled = subprocess.run(
        [javac, "-Xlint:all", "-Werror", "-d", str(classes), str(HERE / "jdbc" / "Client.java")],
        capture_output=True,
        text=True,
        timeout=_BUILD_S,
    )
    assert compiled.returncode == 0, compiled.stderr
    return [java, "-cp", f"{classes}{os.pathsep}{libraries}/*", "Client"]


def said(program: list[str], *arguments: str) -> dict[str, str]:
    """Each step that the program took, with what came of it."""
    ran = subprocess.run([*program, *arguments], capture_output=True, text=True, timeout=_RUN_S)
    assert ran.returncode == 0, ran.stderr
    steps = (line.partition("\t") for line in ran.stdout.splitlines())
    return {step: result for step, _, result in steps}


def _checksum(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _fails(command: list[str], directory: Path, environment: dict[str, str]) -> bool:
    try:
        ran = subprocess.run(command, cwd=directory, env=environment, capture_output=True, timeout=_BUILD_S)
    except subprocess.TimeoutExpired:
        return True
    return ran.returncode != 0


_JAVA = ("mvn", "javac", "java")
