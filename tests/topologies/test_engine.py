"""The check that Faust is the one the protocol was written against."""

from __future__ import annotations

from typing import Any

import faust.streams
import pytest
from faust.transport.consumer import Consumer

from pipeline.errors import Misconfigured
from topologies import engine
from topologies.engine import check_faust


def test_the_faust_that_is_installed_is_the_one() -> None:
    check_faust()


def test_another_version_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "FAUST", "9.9.9")
    with pytest.raises(Misconfigured, match=r"faust-streaming is .*, not 9\.9\.9"):
        check_faust()


def test_the_pure_python_stream_iterator_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faust.streams, "_CStreamIterator", None)
    with pytest.raises(Misconfigured, match="compiled stream iterator is missing"):
        check_faust()


def test_a_method_that_changed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    async def getmany(self: Any, timeout: float, more: int) -> None: ...

    monkeypatch.setattr(Consumer, "getmany", getmany)
    with pytest.raises(Misconfigured, match="getmany"):
        check_faust()
