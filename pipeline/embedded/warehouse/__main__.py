"""`python -m pipeline.embedded.warehouse --data-dir DIR [--host 127.0.0.1] [--port 8123]`: the warehouse process.

This module only prepares the process, and then becomes the server (`exec` keeps its id): UTC, a directory of its own
for temporary files, confinement, and passwords in a pipe rather than the environment, where /proc would show them.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.embedded.privacy import make_private
from pipeline.embedded.warehouse.confinement import Rights, confine
from pipeline.embedded.warehouse.settings import CONFINED, SECRETS, SECRETS_FD, TEMPORARY
from pipeline.errors import Misconfigured
from pipeline.refusal import EX_CONFIG
from pipeline.settings import text_of

_SYSTEM = ("/usr", "/lib", "/lib64", "/proc", "/sys", "/etc/ld.so.cache", "/etc/localtime")
_DEVICES = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")


def main(arguments: Sequence[str]) -> None:
    options = _options(arguments)
    data_dir = options.data_dir.resolve()
    temporary = data_dir / TEMPORARY / str(os.getpid())
    try:
        make_private(data_dir, (TEMPORARY,))
        temporary.mkdir(parents=True, exist_ok=True)
        kept = _without_secrets(os.environ)
    except OSError as error:
        sys.exit(f"the warehouse cannot use {data_dir}: {error.strerror}")
    except Misconfigured as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(EX_CONFIG)
    environment = kept | {"TZ": "UTC", "TMPDIR": str(temporary)}
    _raise_open_files()
    environment[CONFINED] = str(int(confine(rights(data_dir))))
    server = ["-m", "pipeline.embedded.warehouse.server", "--data-dir", str(data_dir)]
    where = ["--host", options.host, "--port", str(options.port)]
    os.execve(sys.executable, [sys.executable, *server, *where], environment)


def _raise_open_files() -> None:
    """To what this user may have at most: sockets must not use up the descriptors of the engine."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m pipeline.embedded.warehouse")
    parser.add_argument("--data-dir", type=Path, required=True, help="where the engine keeps its data")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8123)
    return parser.parse_args(arguments)


def _without_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment less its passwords, which wait in a pipe that the server inherits. Raises Misconfigured."""
    reading, writing = os.pipe()
    os.write(writing, json.dumps({name: text for name in SECRETS if (text := text_of(environ, name))}).encode())
    os.close(writing)
    os.set_inheritable(reading, True)
    kept = {name: value for name, value in environ.items() if not _is_secret(name)}
    return kept | {SECRETS_FD: str(reading)}


def _is_secret(name: str) -> bool:
    """Ours, and what a supervisor's environment may hold for other parts."""
    return name in SECRETS or any(word in name for word in ("PASSWORD", "SECRET", "TOKEN", "API_KEY"))


def rights(data_dir: Path) -> Rights:
    """Python, its packages and this one can be read, the data directory written. What lies beside this package, a
    development run's data among it, can be listed (imports look there) but not read."""
    package = Path(__file__).resolve().parents[2]
    imports = [Path(entry) for entry in sys.path if entry and Path(entry).resolve() != package.parent]
    python = [Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).resolve()]
    return Rights(
        read=[*map(Path, _SYSTEM), *python, *imports, package],
        write=[data_dir, *map(Path, _DEVICES)],
        list=[package.parent],
    )


if __name__ == "__main__":
    main(sys.argv[1:])
