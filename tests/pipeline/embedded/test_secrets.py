"""Secrets are made once and are their owner's alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.embedded import secrets
from pipeline.errors import Misconfigured


def test_secrets_are_made_once_and_kept(tmp_path: Path) -> None:
    made = secrets.keep(tmp_path)
    assert secrets.keep(tmp_path) == made
    assert len({made.warehouse_password, made.analyst_password, made.jwt_secret}) == 3
    assert min(len(made.warehouse_password), len(made.analyst_password), len(made.jwt_secret)) >= 32


def test_only_their_owner_can_read_them(tmp_path: Path) -> None:
    secrets.keep(tmp_path)
    file = tmp_path / secrets.FILE
    assert file.stat().st_mode & 0o777 == 0o600
    file.chmod(0o644)
    secrets.keep(tmp_path)
    assert file.stat().st_mode & 0o777 == 0o600


def test_they_do_not_show_in_a_repr(tmp_path: Path) -> None:
    made = secrets.keep(tmp_path)
    assert made.jwt_secret not in repr(made)
    assert made.warehouse_password not in repr(made)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"unknown": 1}'])
def test_a_file_that_cannot_be_used_is_refused_and_left(tmp_path: Path, content: str) -> None:
    (tmp_path / secrets.FILE).write_text(content)
    with pytest.raises(Misconfigured, match=r"secrets\.json cannot be used"):
        secrets.keep(tmp_path)
    assert (tmp_path / secrets.FILE).read_text() == content


def test_looking_for_secrets_makes_none(tmp_path: Path) -> None:
    assert secrets.kept(tmp_path) is None
    assert list(tmp_path.iterdir()) == []
    made = secrets.keep(tmp_path)
    assert secrets.kept(tmp_path) == made
