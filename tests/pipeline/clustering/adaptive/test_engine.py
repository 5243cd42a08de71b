"""Compiled code and its keeping."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest

from pipeline.clustering.adaptive import engine as engine_module
from pipeline.clustering.adaptive import machine_code
from pipeline.clustering.adaptive.engine import engine, loaded, warm
from pipeline.clustering.adaptive.fingerprint import fingerprint
from pipeline.clustering.adaptive.machine_code import NEEDED, PORTABLE, KernelCache, config, folders, settle_processor
from pipeline.clustering.adaptive.model import AdaptiveLearner

SOURCES = Path(engine_module.__file__).parent
ROOT = SOURCES.parents[2]
RUN = """
import sys, pipeline
from pipeline.clustering.adaptive.engine import engine, warm
print(pipeline.__file__, warm(), [sum(entry.stats.cache_hits.values()) for entry in engine("numba")])
"""
SMALL = """
from numba import njit
from numba.extending import register_jitable
from small.inner import inner
from small.fingerprint import fingerprint

def entry(stamp):
    def run(x):
        return inner(x), stamp
    return njit(cache=True)(run)

run = entry(fingerprint())
print(run(1.0)[0], sum(run.stats.cache_hits.values()))
"""


def test_the_fingerprint_changes_with_any_source(tmp_path: Path) -> None:
    for source in SOURCES.glob("*.py"):
        shutil.copy(source, tmp_path)
    assert fingerprint(tmp_path) == fingerprint()
    (tmp_path / "assign.py").write_text((tmp_path / "assign.py").read_text() + "\n")
    changed = fingerprint(tmp_path)
    assert changed != fingerprint()
    (tmp_path / "more.py").touch()
    assert fingerprint(tmp_path) != changed


def test_kept_machine_code_is_not_used_when_a_called_function_has_changed(tmp_path: Path) -> None:
    package = tmp_path / "small"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "outer.py").write_text(SMALL)
    shutil.copy(SOURCES / "fingerprint.py", package)
    inner = "from numba.extending import register_jitable\n@register_jitable\ndef inner(x):\n    return x + {}\n"

    def run(added: int) -> str:
        (package / "inner.py").write_text(inner.format(added))
        done = subprocess.run(
            [sys.executable, "-B", "-m", "small.outer"], cwd=tmp_path, capture_output=True, text=True, check=True,
            env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "kept")},
        )  # fmt: skip
        return done.stdout.strip()

    assert [run(1), run(1), run(2), run(1)] == ["2.0 0", "2.0 1", "3.0 0", "2.0 1"]


def test_after_warming_nothing_is_compiled_by_any_way_of_use() -> None:
    warm()
    entries = engine("numba")
    before = [len(entry.signatures) for entry in entries]  # type: ignore[attr-defined]
    for dimension in (1, 3, 300):
        learner = AdaptiveLearner(dimension)
        points = np.random.default_rng(1).normal(size=(300, dimension))
        learner.learn(points)
        learner.judge(points[::2])
        restored = AdaptiveLearner.restore(learner.snapshot())
        restored.learn(np.frombuffer(points.tobytes(), np.float64).reshape(points.shape))
    assert [len(entry.signatures) for entry in entries] == before == [1, 1]  # type: ignore[attr-defined]


def test_an_unknown_engine_is_refused() -> None:
    with pytest.raises(ValueError, match="engine must be 'numba' or 'numpy'"):
        engine("cuda")


@pytest.mark.parametrize(
    "kept",
    [pickle.dumps(numba.__version__) + b"cpipeline.clustering.adaptive.state\nAClassThatIsNoMore\n.", b"\x80", b""],
    ids=["a class that is no more", "cut short", "empty"],
)
def test_kept_machine_code_that_cannot_be_read_is_made_anew(
    kept: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = tmp_path / "doubled.py"
    source.write_text("from numba import njit\n@njit(cache=True)\ndef doubled(x):\n    return 2 * x\n")

    def imported() -> Any:
        spec = importlib.util.spec_from_file_location("doubled", source)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.doubled

    imported()(1)
    [index] = tmp_path.rglob("*.nbi")
    index.write_bytes(kept)
    doubled = imported()
    loaded(lambda: doubled(1), [doubled])
    assert "made anew" in caplog.text
    again = imported()
    assert (again(2), sum(again.stats.cache_hits.values())) == (4, 1)


def bound_by_modes() -> None:
    """Takes from root its right to write wherever it likes, as a container does that drops all capabilities."""
    drop_from_bounding_set, override, read = 24, 1, 2
    for capability in (override, read):
        ctypes.CDLL(None).prctl(drop_from_bounding_set, capability, 0, 0, 0)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no capabilities to drop")
def test_a_kept_kernel_is_loaded_by_a_package_that_lies_elsewhere_where_nothing_is_writable(tmp_path: Path) -> None:
    warm()
    baked, installed, home = tmp_path / "baked", tmp_path / "installed", tmp_path / "home"
    for folder in (baked, installed, home):
        folder.mkdir()
    kept = [file for folder in folders() for file in folder.glob(f"kernel.*-{fingerprint():014x}.*.nb[ic]")]
    assert {file.suffix for file in kept} == {".nbi", ".nbc"}
    for file in kept:
        shutil.copyfile(file, baked / file.name)
    for package in ("pipeline", "schemas"):
        shutil.copytree(ROOT / package, installed / package, ignore=shutil.ignore_patterns("__pycache__"))
    for it in (*tmp_path.rglob("*"), tmp_path):
        it.chmod(0o555 if it.is_dir() else 0o444)
    before = sorted(tmp_path.rglob("*"))
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(installed), "HOME": str(home)}
    try:
        done = subprocess.run(
            [sys.executable, "-c", RUN], cwd=home, capture_output=True, text=True, check=True,
            env=environment | {"NUMBA_CACHE_DIR": str(baked)}, preexec_fn=bound_by_modes,
        )  # fmt: skip
        assert sorted(tmp_path.rglob("*")) == before
    finally:
        for it in (tmp_path, *tmp_path.rglob("*")):
            it.chmod(0o755)
    assert (done.stdout, done.stderr) == (f"{installed / 'pipeline' / '__init__.py'} True [1, 1]\n", "")


def doubler(stamp: int, *where: Path) -> Any:
    def doubled(x: int) -> tuple[int, int]:
        return 2 * x, stamp

    entry: Any = numba.njit(doubled)
    entry._cache = KernelCache(doubled, stamp, where)
    return entry


def test_machine_code_goes_to_the_first_folder_that_takes_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "a file").touch()
    no_folder, folder = tmp_path / "a file" / "kernel", tmp_path / "kernel"
    first, again, other = doubler(1, no_folder, folder), doubler(1, no_folder, folder), doubler(2, no_folder, folder)
    assert [it(3)[0] for it in (first, again, other)] == [6, 6, 6]
    assert [sum(it.stats.cache_hits.values()) for it in (first, again, other)] == [0, 1, 0]
    assert "takes" not in caplog.text
    assert doubler(1, no_folder)(3)[0] == 6
    assert "nothing takes the kernel's machine code" in caplog.text


def test_what_cannot_be_read_nor_mended_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    baked, writable = tmp_path / "baked", tmp_path / "writable"
    doubler(1, baked)(3)
    for file in baked.iterdir():
        file.write_bytes(b"\x80")
    before = [file.read_bytes() for file in baked.iterdir()]
    entry = doubler(1, baked, writable)

    def read_only() -> None:
        raise PermissionError(baked)

    monkeypatch.setattr(entry._cache._caches[0], "flush", read_only)
    loaded(lambda: entry(3), [entry])
    assert [file.read_bytes() for file in baked.iterdir()] == before
    assert {file.suffix for file in writable.iterdir()} == {".nbi", ".nbc"}


@pytest.mark.parametrize(
    ("told", "features", "compiled_for"),
    [
        ((PORTABLE, None), NEEDED | {"avx512f"}, (PORTABLE, "")),
        ((PORTABLE, None), NEEDED - {"fma"}, (None, None)),
        ((None, None), NEEDED, (None, None)),
        (("haswell", "+fma"), NEEDED, ("haswell", "+fma")),
    ],
    ids=["one that has more", "one that has less", "unless asked for", "another, by name"],
)
def test_code_for_the_portable_level_is_made_where_it_can_run_and_asks_for_no_more(
    told: tuple[str | None, str | None],
    features: frozenset[str],
    compiled_for: tuple[str | None, str | None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(config, "CPU_NAME", told[0])
    monkeypatch.setattr(config, "CPU_FEATURES", told[1])
    settle_processor(features)
    assert compiled_for == (config.CPU_NAME, config.CPU_FEATURES)


def test_numba_compiles_for_the_processor_that_is_asked_for() -> None:
    program = (
        "from numba.core.registry import cpu_target\n"
        "import pipeline.clustering.adaptive.engine\n"
        "print(*cpu_target.target_context.codegen().magic_tuple()[1:], sep=',')"
    )
    asked = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT,
        env=os.environ | {"NUMBA_CPU_NAME": PORTABLE},
    )  # fmt: skip
    if machine_code._features() >= NEEDED:
        assert asked.stdout == f"{PORTABLE},\n"
    else:
        assert PORTABLE not in asked.stdout
        assert "compiled for it alone" in asked.stderr
