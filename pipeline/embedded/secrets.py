"""The passwords and keys of a development run: made once, kept where only their owner can read them."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pipeline.errors import Misconfigured

FILE = "secrets.json"


def _random() -> str:
    return secrets.token_urlsafe(32)


def _typable() -> str:
    return "-".join(secrets.token_hex(3) for _ in range(4))


@dataclass(frozen=True, slots=True)
class Secrets:
    """Random, 256 bits each, but `dev_password`, which people type: 96. `repr` shows none of them."""

    warehouse_password: str = field(default_factory=_random, repr=False)
    analyst_password: str = field(default_factory=_random, repr=False)
    jwt_secret: str = field(default_factory=_random, repr=False)
    account_secret: str = field(default_factory=_random, repr=False)
    dev_password: str = field(default_factory=_typable, repr=False)
    kafka_password: str = field(default_factory=_random, repr=False)


def keep(data_dir: Path) -> Secrets:
    """The secrets of this data directory, made at the first call. The file is 0600 from its first byte on.

    Raises Misconfigured when the file is there but cannot be used.
    """
    path = data_dir / FILE
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return _read(path)
    made = Secrets()
    _write(descriptor, made)
    return made


def kept(data_dir: Path) -> Secrets | None:
    """The secrets of this data directory, None where there are none yet. Raises Misconfigured like `keep`."""
    path = data_dir / FILE
    return _read(path) if path.exists() else None


def _read(path: Path) -> Secrets:
    try:
        path.chmod(0o600)
        kept = json.loads(path.read_text(encoding="utf-8"))
        found = Secrets(**kept)
        if kept.keys() < asdict(found).keys():
            _replace(path, found)  # an older version's, which had fewer
        return found
    except (OSError, ValueError, TypeError) as error:
        raise Misconfigured(
            f"{path} cannot be used ({type(error).__name__}): restore it, or remove it together with the warehouse "
            "directory beside it, whose users have the passwords it held"
        ) from error


def _write(descriptor: int, secrets: Secrets) -> None:
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(asdict(secrets), file, indent=2)


def _replace(path: Path, secrets: Secrets) -> None:
    """At a stroke: a crash leaves the old file or the new one."""
    beside = path.with_suffix(".new")
    beside.unlink(missing_ok=True)
    _write(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), secrets)
    beside.replace(path)
