"""Every secret may lie in a file that a variable names, as Docker, Kubernetes and systemd hand secrets over."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from ingest_api.assembly import DoorSettings
from pipeline.accounts.mail import MailSettings
from pipeline.accounts.sealing import SealSettings
from pipeline.embedded import parts
from pipeline.embedded.secrets import Secrets
from pipeline.embedded.settings import StackSettings
from pipeline.embedded.warehouse.settings import ServerSettings
from pipeline.errors import Misconfigured
from pipeline.settings import FILE_LIMIT, Environment, KafkaSettings, WarehouseSettings
from tests.docs.test_documents import read_by_code

Read = Callable[[Environment], object]

LONG = "k1:0123456789abcdef0123456789abcdef"
LOGIN = {"THALWEG_KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "THALWEG_KAFKA_USERNAME": "worker"}
SECRETS: dict[str, tuple[str, Read]] = {
    "THALWEG_ACCOUNT_SECRETS": (LONG, SealSettings.from_environment),
    "THALWEG_ADMIN_PASSWORD": ("correct horse battery", DoorSettings.from_environment),
    "THALWEG_ANALYST_PASSWORD": ("an analyst's", ServerSettings.from_environment),
    "THALWEG_API_KEYS": ("sensor:write:" + 64 * "a", DoorSettings.from_environment),
    "THALWEG_CLICKHOUSE_URL": ("https://u:pass@h/base", WarehouseSettings.from_environment),
    "THALWEG_CURSOR_SECRETS": ("0123456789abcdef0123456789abcdef", DoorSettings.from_environment),
    "THALWEG_DEV_PASSWORD": ("a made password", DoorSettings.from_environment),
    "THALWEG_JWT_SECRETS": (LONG, DoorSettings.from_environment),
    "THALWEG_KAFKA_PASSWORD": (
        "a secret of kafka",
        lambda environ: KafkaSettings.from_environment({**LOGIN, **environ} if environ else {}),
    ),
    "THALWEG_SCHEMA_REGISTRY_URL": ("https://u:pass@registry", KafkaSettings.from_environment),
    "THALWEG_SMTP_URL": (
        "smtps://u:pass@mail.example",
        lambda environ: MailSettings.from_environment({"THALWEG_MAIL_FROM": "a@example.com", **environ}),
    ),
    "THALWEG_WAREHOUSE_PASSWORD": ("a warehouse's", WarehouseSettings.from_environment),
}
CLIENTS = {"THALWEG_API_KEY"}
"""Of the command line, whose user types it or exports it."""
NAMED_LIKE_SECRETS = re.compile(r"PASSWORD|SECRET|TOKEN(?!_TTL)|API_KEY|SMTP_URL|CLICKHOUSE_URL|REGISTRY_URL")

each_secret = pytest.mark.parametrize("name", SECRETS)


def test_no_secret_is_forgotten_here() -> None:
    read = {name for name in read_by_code() if NAMED_LIKE_SECRETS.search(name)}
    assert read - SECRETS.keys() - CLIENTS == {"THALWEG_TEST_CLICKHOUSE_URL"}
    assert SECRETS.keys() | CLIENTS <= read


@each_secret
def test_a_secret_is_read_from_the_file_that_its_variable_names(name: str, tmp_path: Path) -> None:
    value, read = SECRETS[name]
    (tmp_path / "secret").write_text(f"{value}\n")
    told = read({f"{name}_FILE": str(tmp_path / "secret")})
    assert told == read({name: value})
    assert told != read({})


@each_secret
@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"hunter2 \xff\xfe", "is no UTF-8 text"),
        (b"hunter2 " * (FILE_LIMIT // 8 + 1), "is too long"),
    ],
    ids=["not there", "empty", "blank", "not text", "too long"],
)
def test_a_file_that_cannot_be_used_is_said_by_its_variable_and_not_repeated(
    name: str, content: bytes | None, complaint: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "secret").write_bytes(content)
    with pytest.raises(Misconfigured, match=rf"^{name}_FILE=.*{complaint}") as refused:
        SECRETS[name][1]({f"{name}_FILE": str(tmp_path / "secret")})
    assert "hunter2" not in str(refused.value)
    assert refused.value.__cause__ is None


@each_secret
def test_a_secret_is_told_once(name: str, tmp_path: Path) -> None:
    value, read = SECRETS[name]
    (tmp_path / "secret").write_text(value)
    with pytest.raises(Misconfigured, match=f"^{name} and {name}_FILE are both set"):
        read({name: value, f"{name}_FILE": str(tmp_path / "secret")})


def test_a_run_makes_no_secret_that_a_file_has() -> None:
    made = Secrets("warehouse", "analyst", "j" * 32, "a" * 32)
    settings = StackSettings()
    assert parts.environment(settings, made, {})["THALWEG_JWT_SECRETS"] == f"k1:{made.jwt_secret}"
    told = {"THALWEG_JWT_SECRETS_FILE": "/run/secrets/jwt", "THALWEG_ANALYST_PASSWORD_FILE": "/run/secrets/analyst"}
    environment = parts.environment(settings, made, told)
    assert not {"THALWEG_JWT_SECRETS", "THALWEG_ANALYST_PASSWORD"} & environment.keys()
    assert told.items() <= environment.items()
    assert environment["THALWEG_ACCOUNT_SECRETS"] == f"k1:{made.account_secret}"
