"""An API process whose log is not as it should be ends at once, and says in a sentence what to do."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from pipeline.kafka.provision import provision
from pipeline.settings import KafkaSettings

pytestmark = [pytest.mark.flow, pytest.mark.timeout(120)]


def started(**told: str) -> subprocess.CompletedProcess[str]:
    """An API process that was expected to end by itself."""
    environ = {**os.environ, "THALWEG_API_PORT": "0", "THALWEG_DEV_ADMIN": "true", **told}
    command = [sys.executable, "-m", "ingest_api"]
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=90, check=False)


def test_with_another_number_of_partitions_it_names_the_setting(kafka_bootstrap: str) -> None:
    provision(KafkaSettings(kafka_bootstrap))
    ended = started(THALWEG_KAFKA_BOOTSTRAP=kafka_bootstrap, THALWEG_PARTITIONS="7")
    assert ended.returncode == 78
    assert "THALWEG_PARTITIONS=7" in ended.stderr
    assert "Traceback" not in ended.stderr
