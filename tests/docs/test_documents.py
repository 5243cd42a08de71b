"""What the documents name is there, and what is there to be set or asked is in the documents."""

from __future__ import annotations

import importlib.util
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.core import TyperGroup, TyperOption

from ingest_api.app import create_app
from ingest_api.assembly import DoorSettings
from ingest_api.openapi import routes_of
from pipeline.cli.app import build
from pipeline.courier.settings import CourierSettings
from pipeline.embedded.kafka.properties import BrokerSettings
from pipeline.embedded.warehouse.settings import CONFINED, SECRETS_FD, ServerSettings
from pipeline.lifeline import FD_VARIABLE, PID_VARIABLE
from pipeline.warehouse.archive.settings import ArchiveSettings
from pipeline.warehouse.retention import Retention
from schemas.catalogue import TOPICS, changelog
from schemas.registry import checked_in
from tests.docs.documents import DOCUMENTS, ROOT, anchors, code, links, name_of, rows, spans, text_of
from tests.doubles.desk import wired
from tests.doubles.door import settings_with
from topologies.settings import WorkerSettings

CONFIGURATION = ROOT / "docs" / "configuration.md"
SOURCES = [
    path for floor in ("schemas", "pipeline", "topologies", "ingest_api") for path in (ROOT / floor).rglob("*.py")
]
INTERNAL = {FD_VARIABLE, PID_VARIABLE, CONFINED, SECRETS_FD}
"""Told by a process to its own children, not by an operator."""
MADE_UP = {"accounts.note.v1"}
"""Of the kind of entity that a document adds."""
VARIABLE = re.compile(r"\bTHALWEG_[A-Z_]*[A-Z]\b")
ENDPOINT = re.compile(r"^(GET|POST|PUT|PATCH|DELETE|WS) (/[^\s?]*)")
CLI = typer.main.get_command(build())
Command = Any

each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)


def read_by_code() -> set[str]:
    """Names that stand as a string of their own: read from an environment, or named as an option's variable."""
    paths = [*SOURCES, *(ROOT / "tests" / name for name in ("conftest.py", "budget.py"))]
    text = "".join(path.read_text("utf-8") for path in paths)
    return set(re.findall(r'"(THALWEG_[A-Z_]*[A-Z])"', text)) - INTERNAL


def configuration() -> Iterator[tuple[str, str]]:
    """(variable, default) of the tables of the configuration."""
    for cells in rows(text_of(CONFIGURATION)):
        named = VARIABLE.search(cells[0])
        if named is not None and len(cells) == 3:
            yield named[0], cells[1]


@cache
def served() -> frozenset[tuple[str, str]]:
    """(method, path) of everything that the API answers, WS among them."""
    settings = settings_with()
    app = create_app(settings, wired(settings))
    found = {(method, route.path_format) for route in routes_of(app) for method in route.methods or ()}
    sockets = {re.search(r'"(/[^"]+)"', line) for path in SOURCES for line in path.read_text("utf-8").splitlines()
               if ".websocket(" in line}  # fmt: skip
    return frozenset(found | {("WS", each[1]) for each in sockets if each is not None})


def test_the_configuration_table_has_every_variable_that_is_read_and_no_other() -> None:
    listed = [name for name, _ in configuration()]
    assert sorted(listed) == sorted(set(listed))
    assert set(listed) == read_by_code()


def test_the_printed_defaults_are_the_defaults() -> None:
    """An environment made of every default that is a value reads like an empty one."""
    printed = {name: given[1] for name, default in configuration() if (given := re.fullmatch(r"`(.+)`", default))}
    assert len(printed) >= 45
    needed = {"THALWEG_ADMIN_PASSWORD": "correct horse battery"}
    for kind in (
        DoorSettings,
        WorkerSettings,
        ArchiveSettings,
        CourierSettings,
        Retention,
        ServerSettings,
        BrokerSettings,
    ):
        assert kind.from_environment(printed | needed) == kind.from_environment(needed), kind.__name__


def test_the_printed_defaults_are_those_of_the_command_line_too() -> None:
    printed = dict(configuration())
    for option in options_of(CLI):
        if option.envvar is None or option.default in (None, "") or option.show_default is not True:
            continue
        told = printed[str(option.envvar)].strip("`").removeprefix("http://")
        meant = str(option.default).lower() if isinstance(option.default, bool) else str(option.default)
        assert meant.removeprefix("http://") == told, option.envvar


def options_of(command: Command) -> Iterator[TyperOption]:
    for option in command.params:
        if isinstance(option, TyperOption):
            yield option
    if isinstance(command, TyperGroup):
        for inner in command.commands.values():
            yield from options_of(inner)


@each_document
def test_every_variable_that_is_named_is_read(document: Path) -> None:
    named, read = set(VARIABLE.findall(text_of(document))), read_by_code()
    assert {name for name in named if name not in read and name.removesuffix("_FILE") not in read} == set()


@each_document
def test_every_link_leads_somewhere(document: Path) -> None:
    for link in links(text_of(document)):
        path, _, anchor = link.partition("#")
        target = document if not path else (document.parent / path).resolve()
        assert "//" not in link, link
        assert target.exists(), link
        assert not anchor or anchor in anchors(text_of(target)), link


@each_document
def test_every_path_that_is_named_is_there(document: Path) -> None:
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")}
    for span in spans(text_of(document)):
        if re.fullmatch(r"[\w.-]+(/[\w.-]+)+/?", span) and span.split("/")[0] in folders:
            assert (ROOT / span).exists(), span
        elif re.fullmatch(r"[\w-]+\.(md|py|toml|yml|lock)", span):
            assert list(ROOT.rglob(span)), span


@each_document
def test_every_command_that_is_named_can_be_given(document: Path) -> None:
    for line in code(text_of(document)):
        for words in commands(line):
            if words[0] == "thalweg":
                check_command(CLI, words[1:])
            elif words[:2] == ["python", "-m"]:
                assert importlib.util.find_spec(words[2]) is not None, line
            elif words[0] == "make" and len(words) > 1:
                assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE), line


def commands(line: str) -> Iterator[list[str]]:
    """The commands of a line of shell, each as its words; none of what is no shell."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|;()<>&")
    lexer.whitespace_split = True
    words: list[str] = []
    try:
        for token in [*lexer, ";"]:
            if set(token) <= set("|;()<>&"):
                yield from [words] if words else []
                words = []
            else:
                words.append(token)
    except ValueError:
        assert "thalweg " not in line, line


def check_command(command: Command, words: list[str]) -> None:
    """Each word that leads to a command does, and each flag is one of it."""
    while words and isinstance(command, TyperGroup) and not words[0].startswith("-"):
        assert words[0] in command.commands, f"no command {words[0]!r} in {command.name}"
        command, words = command.commands[words[0]], words[1:]
    flags = {flag for option in command.params if isinstance(option, TyperOption)
             for flag in (*option.opts, *option.secondary_opts)} | {"-h", "--help"}  # fmt: skip
    for word in words:
        if re.match(r"--?[a-z]", word):
            assert word.partition("=")[0] in flags, f"{command.name} has no {word}"


@each_document
def test_every_topic_that_is_named_is_in_the_catalogue(document: Path) -> None:
    known = {topic.name for topic in TOPICS} | {schema.name for schema in checked_in().schemas.values()}
    named = set(re.findall(r"\b[a-z]+(?:\.[a-z]+)*\.v\d+\b", text_of(document)))
    assert named - MADE_UP <= known
    changelogs = {changelog(topic) for topic in TOPICS if topic.stateful}
    assert set(re.findall(r"thalweg-workers-[a-z-]+", text_of(document))) <= changelogs


def test_the_architecture_tells_of_every_topic() -> None:
    text = text_of(ROOT / "docs" / "architecture.md")
    for topic in TOPICS:
        row = next((cells for cells in rows(text) if cells[0] == f"`{topic.name}`"), None)
        assert row is not None, topic.name
        assert all(name in row[2] for name in topic.writers.names), topic.name


def test_the_operator_is_told_who_writes_each_topic() -> None:
    granted = {cells[0]: cells[1] for cells in rows(text_of(ROOT / "docs" / "operations.md")) if len(cells) == 2}
    for topic in TOPICS:
        for name in topic.writers.names:
            who = {"anyone": "producers, API", "door": "producers, API"}.get(name, name)
            assert f"`{topic.name}`" in granted[who], (topic.name, who)
    for topic in TOPICS:
        if topic.stateful:
            assert f"`{changelog(topic)}`" in granted["workers"]


@each_document
def test_every_endpoint_that_is_named_is_served(document: Path) -> None:
    for span in spans(text_of(document)):
        if found := ENDPOINT.match(span):
            assert (found[1], found[2]) in served(), span


def test_the_api_reference_has_every_endpoint_and_no_other() -> None:
    text = text_of(ROOT / "docs" / "api.md")
    headings = [heading for heading in re.findall(r"^### (.+)$", text, re.MULTILINE) if ENDPOINT.match(heading)]
    told = {(found[1], found[2]) for each in [*headings, *spans(text)] if (found := ENDPOINT.match(each))}
    assert told == served()


def test_every_reason_of_a_dead_letter_is_explained() -> None:
    archive = ROOT / "pipeline" / "warehouse"
    text = "".join(path.read_text("utf-8") for path in SOURCES if archive not in path.parents)
    reasons = set(re.findall(r'(?:Refuse|Undecodable)\(\s*"([a-z_]+)"', text))
    assert len(reasons) > 15
    explained = set(spans(text_of(ROOT / "docs" / "producers.md")))
    assert reasons <= explained
