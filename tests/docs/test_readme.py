"""The README's tour, and that of the accounts behind it, typed as they are printed, against a real `thalweg up`."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pipeline.embedded import runstate
from tests.ports import free_ports

ROOT = Path(__file__).parents[2]
README, ACCOUNTS = ((ROOT / name).read_text("utf-8") for name in ("README.md", "docs/accounts.md"))
BLOCKS = re.findall(r"^```(sh|sh setup|json)\n(.*?)^```$", README + ACCOUNTS, re.DOTALL | re.MULTILINE)
SETUP = "".join(text for kind, text in BLOCKS if kind == "sh setup")
COMMANDS = [text for kind, text in BLOCKS if kind == "sh"]
PLAIN = {name: value for name, value in os.environ.items() if not name.startswith("THALWEG_")}
END = "::: end of block, status"

pytestmark = [pytest.mark.flow, pytest.mark.timeout(600)]


@dataclass(frozen=True)
class Place:
    """Where a run is."""

    data: Path
    api: int
    kafka: int
    warehouse: int
    receiver: int

    def setup(self) -> str:
        """The tour's own first block, with this run's ports and directory for the printed ones."""
        text: str = SETUP.replace(". .venv/bin/activate\n", "")
        for printed, real in (
            ("127.0.0.1:8000", f"127.0.0.1:{self.api}"),
            ("127.0.0.1:9092", f"127.0.0.1:{self.kafka}"),
            ("127.0.0.1:8123", f"127.0.0.1:{self.warehouse}"),
            ("DATA=.thalweg", f"DATA={self.data}"),
            ("127.0.0.1:8090", f"127.0.0.1:{self.receiver}"),
        ):
            assert text.count(printed) == 1
            text = text.replace(printed, real)
        return text

    @property
    def environment(self) -> dict[str, str]:
        """What spares a command its flags where ports and directory are not the printed ones."""
        return PLAIN | {
            "PATH": f"{Path(sys.executable).parent}:{PLAIN['PATH']}",
            "THALWEG_API_URL": f"http://127.0.0.1:{self.api}",
            "THALWEG_KAFKA_BOOTSTRAP": f"127.0.0.1:{self.kafka}",
            "THALWEG_DATA_DIR": str(self.data),
            "CURL_HOME": str(self.data),
        }


class Shell:
    """One bash for the whole tour, as a reader has."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            ["bash", "-o", "pipefail"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, block: str) -> tuple[int, str]:
        """The greatest exit status of the block's commands, and what they printed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        # The trap sees each command that fails outside a condition, as a reader would see it fail.
        self._process.stdin.write(f"worst=0; trap 'worst=$?' ERR\n{block}\necho; echo '{END}' $worst\n")
        self._process.stdin.flush()
        said: list[str] = []
        for line in self._process.stdout:
            if line.startswith(END):
                return int(line.removeprefix(END)), "".join(said)
            said.append(line)
        raise AssertionError(f"bash ended: {''.join(said)}")

    def close(self) -> None:
        """With whatever a block left running."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()


@contextmanager
def up(data: Path) -> Iterator[Place]:
    """`thalweg up` on free ports, ready."""
    api, kafka, controller, warehouse, receiver = free_ports(5)
    ports = {"api": api, "kafka": kafka, "kafka-controller": controller, "warehouse": warehouse}
    flags = [word for name, port in ports.items() for word in (f"--{name}-port", str(port))]
    with (data / "up.out").open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "pipeline.cli", "up", "--data-dir", str(data), *flags],
            env=PLAIN | {"THALWEG_WEBHOOK_ALLOW": "127.0.0.1"},
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + 400
        while not _well(data):
            assert process.poll() is None, (data / "up.out").read_text()
            assert time.monotonic() < deadline, (data / "up.out").read_text()
            time.sleep(0.2)
        (data / ".curlrc").write_text("fail-with-body\n")  # a reader sees a refusal; here it must fail the block
        yield Place(data, api, kafka, warehouse, receiver)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()


def _well(data: Path) -> bool:
    run = runstate.read(data)
    return run is not None and run.well


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    with up(tmp_path_factory.mktemp("tour")) as place:
        shell = Shell(place.environment)
        try:
            status, said = shell.run(place.setup())
            assert (status, said.strip()) == (0, "")
            yield shell
        finally:
            shell.close()


@pytest.fixture(scope="module")
def told() -> dict[str, str]:
    """What each block of the tour printed, by the block."""
    return {}


@pytest.mark.parametrize("block", COMMANDS, ids=lambda block: " ".join(block.split())[:50])
def test_a_block_of_the_tour_does_what_it_says(shell: Shell, told: dict[str, str], block: str) -> None:
    status, said = shell.run(block)
    told[block] = said
    assert status == 0, said
    assert said.strip() or block.startswith(("export ", "mailed")), "it printed nothing"
    assert "Traceback" not in said


def printed_with(told: dict[str, str], words: str) -> str:
    found = [said for block, said in told.items() if words in block]
    if not found:
        pytest.skip("its block was not run")
    return found[0]


def test_the_answer_that_is_printed_has_the_shape_of_the_real_one(told: dict[str, str]) -> None:
    shown = json.loads(next(text for kind, text in BLOCKS if kind == "json"))
    real = json.loads(printed_with(told, '"points": [[1, 2]'))
    assert _shape(real) == _shape(shown)
    assert len(real["clusters"]) == len(shown["clusters"])


def told_in_time(shell: Shell, told: dict[str, str], block_with: str, line_with: str, wanted: str) -> str:
    """What a line of a block prints once it tells of `wanted`: a busy machine takes longer than the tour waits."""
    said = printed_with(told, block_with)
    [line] = [line for block in told if block_with in block for line in block.splitlines() if line_with in line]
    deadline = time.monotonic() + 60
    while wanted not in said:
        assert time.monotonic() < deadline, said
        time.sleep(0.5)
        said = shell.run(line)[1]
    return said


def _shape(value: Any) -> Any:
    """Names and kinds, without the values; numbers are numbers."""
    if isinstance(value, dict):
        return {name: _shape(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_shape(value[0])] if value else []
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__


def test_the_points_that_were_not_waited_for_are_done(shell: Shell, told: dict[str, str]) -> None:
    said = told_in_time(shell, told, "wait=false", "$API$LATER", '"status":"done"')
    assert json.loads(said)["total_points"] == 2


def test_the_clusters_are_told_over_server_sent_events(told: dict[str, str]) -> None:
    said = printed_with(told, "/api/v1/events")
    for kind in ("connected", "cluster_update", "snapshot_complete"):
        assert f"event: {kind}" in said


def test_what_could_not_be_used_is_a_dead_letter_with_its_reason(shell: Shell, told: dict[str, str]) -> None:
    assert "points.observed.v1" in told_in_time(shell, told, "--dimension 3", "dlq list", "dimension_mismatch")


def test_every_receipt_of_kafka_is_printed(told: dict[str, str]) -> None:
    assert (
        len(re.findall(r"receipt points\.observed\.v1-\d+-\d+", printed_with(told, "produce.py --stream tour\n"))) == 3
    )


def test_the_rows_are_found_by_sql(shell: Shell, told: dict[str, str]) -> None:
    said = told_in_time(shell, told, "streams_now", "thalweg warehouse query", "cluster_id")
    assert "cluster_id\tpoints" in said
    assert "tour" in printed_with(told, "streams_now")


def test_a_second_factor_is_asked_for_and_who_is_banned_or_out_is_turned_away(told: dict[str, str]) -> None:
    assert '"requires_2fa":true' in printed_with(told, "2fa/setup")
    assert "This account is banned" in printed_with(told, "Shared a key")
    assert printed_with(told, "everywhere=true").count("AUTHENTICATION_ERROR") == 2


def test_the_receiver_is_told_of_the_test(told: dict[str, str]) -> None:
    assert " webhook.test {" in printed_with(told, "webhook_receiver.py")


def test_the_audit_tells_of_the_tour(shell: Shell, told: dict[str, str]) -> None:
    said = told_in_time(shell, told, "admin/audit", "action=user.", '"user.delete"')
    assert '"actor":"user:admin"' in said
