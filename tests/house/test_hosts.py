"""Where packages come from is whoever installs them's to say: no file names a package registry's host."""

from __future__ import annotations

import re

from tests.house.house import ROOT, tracked

# In two parts, so that this file does not name them either.
HOSTS = re.compile(
    "|".join(
        rf"{name}\.{end}"
        for name, end in (
            (r"pypi", "org"),
            (r"pythonhosted", "org"),
            (r"repo1?\.maven", r"(apache\.)?org"),
            (r"npmjs", "(org|com)"),
            (r"(conda\.)?anaconda", "org"),
            (r"proxy\.golang", "org"),
            (r"static\.crates|index\.crates", "io"),
        )
    )
)


def test_no_tracked_file_names_a_registry() -> None:
    naming = []
    for path in tracked():
        text = (ROOT / path).read_bytes().decode("utf-8", "replace")
        naming += [f"{path}: {found.group()}" for found in HOSTS.finditer(text)]
    assert naming == []


def test_no_installer_is_pointed_elsewhere() -> None:
    options = re.compile(r"--(extra-)?index-url|--find-links|<repositories>|\[\[?repositories")
    installing = [path for path in tracked() if path.suffix in {".lock", ".toml", ".txt", ".cfg"} or path.name in FILES]
    pointed = [str(path) for path in installing if options.search((ROOT / path).read_text("utf-8"))]
    assert pointed == []


FILES = {"Makefile", "Dockerfile", "docker-compose.yml"}
