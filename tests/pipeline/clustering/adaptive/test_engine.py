"""Compiled code and its keeping."""

from __future__ import annotations

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
from pipeline.clustering.adaptive.engine import engine, loaded, warm
from pipeline.clustering.adaptive.fingerprint import fingerprint
from pipeline.clustering.adaptive.model import AdaptiveLearner

SOURCES = Path(engine_module.__file__).parent
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
