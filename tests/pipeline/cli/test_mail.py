"""`thalweg mail list` shows what was written to users, to whoever has the secret, and says so to whoever has not."""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from pipeline.account_secrets import VARIABLE
from pipeline.accounts.envelope import Letter
from pipeline.accounts.letters import verify_email
from pipeline.accounts.sealing import Seals, SealSettings
from pipeline.cli.app import build
from pipeline.clock import now
from pipeline.embedded import secrets
from pipeline.errors import Misconfigured
from pipeline.kafka.provision import provision
from pipeline.settings import KafkaSettings
from schemas.accounts.topics import MAIL
from schemas.accounts.traces import MailRequested
from schemas.codec import Codec
from tests.pipeline.kafka.topics import Topics

SECRET = "s" * 32
HOUR = 3_600_000_000


@dataclass
class Box:
    """Mails of one user, in the topic that all share, and the command that lists them."""

    kafka: KafkaSettings
    user: str = field(default_factory=lambda: f"u-{uuid.uuid4().hex[:8]}")
    at: int = field(default_factory=now)

    def put(self, subject: str, text: str = "text", secret: str = SECRET) -> None:
        sealed = Letter(subject, text).sealed(Seals(SealSettings((secret,))))
        self.at += 1_000_000
        self.write(
            MailRequested(self.user, f"{self.user}@example.org", "verify_email", self.at, self.at + HOUR, sealed)
        )

    def write(self, mail: MailRequested) -> None:
        Topics(self.kafka).write(MAIL.name, [Codec().encode(mail)], key=self.user.encode())

    def list(self, *arguments: str) -> Result:
        return CliRunner().invoke(
            build(), ["mail", "list", "--bootstrap", self.kafka.bootstrap, "--user", self.user, *arguments]
        )

    def json(self, *arguments: str) -> Any:
        listed = self.list("--json", *arguments)
        assert listed.exit_code == 0, listed.output
        return json.loads(listed.stdout)


@pytest.fixture
def box(kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Box]:
    kafka = KafkaSettings(kafka_bootstrap)
    provision(kafka)
    monkeypatch.setenv(VARIABLE, f"k1:{SECRET}")
    yield Box(kafka)
    logging.getLogger("pipeline.kafka").setLevel(logging.NOTSET)  # a command quiets it


def test_mails_are_listed_newest_last_without_what_they_say(box: Box) -> None:
    assert box.list().stdout == "no mails\n"
    box.put("first")
    box.put("second", "token-4711")
    shown = box.list().stdout
    assert shown.index("first") < shown.index("second")
    assert f"{box.user}@example.org" in shown
    assert "4711" not in shown
    assert [it["subject"] for it in box.json()] == ["first", "second"]
    assert "text" not in box.json()[0]


def test_what_they_say_is_shown_when_asked_for(box: Box) -> None:
    box.put("first", "one\n\x1b[2Jtwo")
    shown = box.list("--text").stdout
    assert "\n    one\n    \\x1b[2Jtwo\n" in shown
    assert box.json("--text")[0]["text"] == "one\n\x1b[2Jtwo"


def test_the_token_of_a_mail_can_be_had_by_a_program(box: Box) -> None:
    seals = Seals(SealSettings((SECRET,)))
    mail = verify_email(seals, box.user, "ada@example.org", "Ada", "tok-1", "http://127.0.0.1:8000", box.at, box.at + 1)
    box.write(mail)
    [found] = box.json("--text", "--limit", "1")
    assert "tok-1" in found["text"].splitlines()
    assert found["purpose"] == "verify_email"


def test_only_the_newest_are_listed_and_a_user_is_found_by_address_too(box: Box) -> None:
    for number in range(4):
        box.put(f"mail {number}")
    assert [it["subject"] for it in box.json("--limit", "2")] == ["mail 2", "mail 3"]
    assert [it["subject"] for it in box.json("--user", f"{box.user}@example.org", "--limit", "1")] == ["mail 3"]
    assert box.json("--user", "nobody@example.org") == []


def test_a_local_run_is_opened_with_the_secret_that_it_keeps(
    box: Box, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(VARIABLE)
    box.put("local", secret=secrets.keep(tmp_path).account_secret)
    assert [it["subject"] for it in box.json("--data-dir", str(tmp_path))] == ["local"]


def test_without_a_secret_it_says_where_one_could_be(box: Box, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(VARIABLE)
    refused = box.list("--data-dir", str(tmp_path)).exception
    assert isinstance(refused, Misconfigured)
    assert VARIABLE in str(refused)
    assert str(tmp_path) in str(refused)
    assert list(tmp_path.iterdir()) == [], "looking makes no secrets"


def test_another_secret_is_said_to_be_another(box: Box, tmp_path: Path) -> None:
    box.put("theirs", secret="t" * 32)
    refused = box.list("--data-dir", str(tmp_path)).exception
    assert isinstance(refused, Misconfigured)
    assert "another secret" in str(refused)
    box.put("ours")
    listed = box.list()
    assert listed.exit_code == 0
    assert "(sealed with another secret)" in listed.stdout
    assert "1 of the mails" in listed.stderr
    assert [it["subject"] for it in json.loads(box.list("--json").stdout)] == [None, "ours"]
