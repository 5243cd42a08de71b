"""A data directory that its owner alone can read, whoever made it."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.embedded.privacy import make_private
from pipeline.errors import Misconfigured


@pytest.fixture(autouse=True)
def _as_it_was() -> object:
    before = os.umask(0o022)
    yield
    os.umask(before)


def open_to_others(data_dir: Path) -> list[Path]:
    """What others may do anything with."""
    return [path for path in (data_dir, *data_dir.rglob("*")) if path.lstat().st_mode & 0o077 and not path.is_symlink()]


def test_what_others_could_read_is_closed_to_them_and_what_comes_is_too(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("not ours")
    elsewhere.chmod(0o644)
    data_dir = tmp_path / "data"
    for folder in ("kafka/data/points-0", "warehouse/store", "logs"):
        (data_dir / folder).mkdir(parents=True)
        (data_dir / folder / "file").write_text("secret")
    (data_dir / "secrets.json").write_text("{}")
    (data_dir / "secrets.json").chmod(0o666)
    (data_dir / "kafka" / "link").symlink_to(elsewhere)
    (data_dir / "kafka" / "run").touch(0o755)
    data_dir.chmod(0o777)
    make_private(data_dir)
    made = "import os; os.makedirs('a/b'); open('a/b/c', 'w').close()"
    subprocess.run([sys.executable, "-c", made], cwd=data_dir / "kafka", check=True)
    assert open_to_others(data_dir) == []
    assert stat.S_IMODE((data_dir / "kafka" / "run").stat().st_mode) == 0o700, "what its owner may do stays"
    assert stat.S_IMODE(elsewhere.stat().st_mode) == 0o644, "no link is followed"


def test_a_new_one_is_closed_from_the_start(tmp_path: Path) -> None:
    make_private(tmp_path / "new" / "data")
    assert stat.S_IMODE((tmp_path / "new" / "data").stat().st_mode) == 0o700


def test_what_is_no_directory_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Misconfigured, match="THALWEG_DATA_DIR"):
        make_private(tmp_path / "file")
