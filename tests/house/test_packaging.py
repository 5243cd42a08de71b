"""What is installed is all that is needed: every import is a declared dependency, every data file is packaged."""

from __future__ import annotations

import re
import sys
import tomllib
from fnmatch import fnmatch
from functools import cache
from importlib.metadata import packages_distributions

from tests.house.house import FLOORS, ROOT, imported, modules

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
LOCAL_DATA = re.compile(r"\.(pyc|nbi|nbc)$")


def declared() -> set[str]:
    """Names of the runtime dependencies, normalized (PEP 503)."""
    return {_normal(re.split(r"[\[<>=!~; ]", text, maxsplit=1)[0]) for text in PROJECT["project"]["dependencies"]}


def test_every_library_that_is_imported_is_declared() -> None:
    missing: dict[str, str] = {}
    for path in modules():
        for top in {name.split(".")[0] for name in imported(path)} - set(FLOORS) - set(sys.stdlib_module_names):
            if not providers().get(top, set()) & declared():
                missing.setdefault(top, str(path))
    assert missing == {}


def test_everything_declared_is_imported_or_has_its_reason() -> None:
    tops = {name.split(".")[0] for path in modules() for name in imported(path)}
    used = {name for top in tops for name in providers().get(top, set())}
    assert declared() - used == set(NOT_IMPORTED)


NOT_IMPORTED = {
    "fastapi-offline": "its files of Swagger UI are served at /docs",
    "cramjam": "aiokafka decompresses lz4 with it",
    "setuptools": "it installs this very project, without an index, from the locked set",
    "python-multipart": "FastAPI reads forms with it",
    "websockets": "uvicorn speaks WebSocket with it (ws=websockets-sansio)",
}


def test_every_data_file_of_a_package_is_packaged() -> None:
    globs = PROJECT["tool"]["setuptools"]["package-data"]["*"]
    left_out = [
        str(path.relative_to(ROOT))
        for floor in FLOORS
        for path in (ROOT / floor).rglob("*")
        if path.is_file() and path.suffix != ".py" and not LOCAL_DATA.search(path.name)
        if not any(fnmatch(path.name, glob) for glob in globs)
    ]
    assert left_out == []


def test_every_folder_with_files_is_a_package() -> None:
    """Otherwise setuptools would pass it over."""
    namespaces = [
        str(folder.relative_to(ROOT))
        for floor in FLOORS
        for folder in (ROOT / floor, *(ROOT / floor).rglob("*"))
        if folder.is_dir() and folder.name != "__pycache__" and any(it.suffix == ".py" for it in folder.iterdir())
        if not (folder / "__init__.py").exists()
    ]
    assert namespaces == []


@cache
def providers() -> dict[str, set[str]]:
    """By top-level module: the distributions that bring it."""
    return {top: {_normal(name) for name in names} for top, names in packages_distributions().items()}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
