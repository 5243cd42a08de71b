"""One running system for all that is thrown at it."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.flow.conftest import standing
from tests.flow.stack import Stack


@pytest.fixture(scope="package")
def stack(kafka_bootstrap: str, warehouse_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """No test restarts a part but where it says so: at the end the processes must be those of the beginning. Limits of
    rate are off and a worker keeps its place however busy the machine is: neither is in question here."""
    calm = {"THALWEG_RATE_LIMITS": "off", "THALWEG_WORKER_SESSION_SECONDS": "60"}
    with standing(kafka_bootstrap, warehouse_url, tmp_path_factory.mktemp("fuzz"), **calm) as stack:
        yield stack


@pytest.fixture(scope="package")
def http(stack: Stack) -> Iterator[httpx.Client]:
    """A caller without credentials."""
    with httpx.Client(base_url=stack.api.url, timeout=60) as client:
        yield client
