"""`thalweg schemas`: the contract other languages write and read by, its compatibility, and a registry's copy of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.syntax import Syntax

from pipeline.cli.drawing import console, table
from pipeline.cli.options import Json
from pipeline.cli.registry import Registrar, State, Wish
from pipeline.errors import Misconfigured
from schemas.compatibility import breaches
from schemas.registry import Registry, Schema, checked_in

schemas = typer.Typer(help="The Avro schemas: list, show, check a change, push to a registry.", no_args_is_help=True)

COLOURS = {State.THERE: "green", State.MISSING: "yellow", State.CONFLICT: "red"}


@schemas.command("list")
def listing(as_json: Json = False) -> None:
    """List every subject with its versions and their ids.

    Example: **thalweg schemas list**
    """
    registry = checked_in()
    rows = [
        (subject, version, schema_id, _full_name(registry.schemas[schema_id]))
        for subject, ids in registry.subjects.items()
        for version, schema_id in enumerate(ids, 1)
    ]
    columns = ("subject", "version", "id", "record")
    if as_json:
        typer.echo(json.dumps([dict(zip(columns, row, strict=True)) for row in rows], indent=2))
        return
    drawn = table(*columns, right=("version", "id"))
    for row in rows:
        drawn.add_row(*map(str, row))
    console().print(drawn)


@schemas.command()
def show(
    subject: Annotated[str, typer.Argument(help="As `thalweg schemas list` names it; the topic's name will do.")],
    version: Annotated[int | None, typer.Option(help="The newest where none is given.", min=1)] = None,
) -> None:
    """Print a schema as it is checked in.

    Example: **thalweg schemas show points.observed.v1 > points.avsc**
    """
    registry = checked_in()
    ids = _versions(registry, subject)
    if version is not None and version > len(ids):
        raise Misconfigured(f"{subject} has no version {version}; it has 1 to {len(ids)}")
    text = registry.schemas[ids[-1 if version is None else version - 1]].text.rstrip()
    screen = console()
    if screen.is_terminal:
        screen.print(Syntax(text, "json", background_color="default"))
    else:
        typer.echo(text)


@schemas.command()
def check(
    file: Annotated[Path, typer.Argument(help="The schema as it would become.", exists=True, dir_okay=False)],
    subject: Annotated[
        str | None, typer.Option(help="The subject it is meant for; else that whose record has the same name.")
    ] = None,
) -> None:
    """Check whether a changed schema may be a subject's next version. Exit status 1 when it may not.

    It must read what every version wrote, and every version must read what it writes: records stay in the log for
    years, and readers are not all updated on the same day. Nothing is written.

    Example: **thalweg schemas check points.avsc --subject points.observed.v1**
    """
    registry = checked_in()
    definition = _read(file)
    subject = subject or _subject_of(registry, definition)
    found = False
    for version, schema_id in enumerate(_versions(registry, subject), 1):
        for breach in _breaches(registry.schemas[schema_id], definition, file):
            found = True
            typer.echo(f"{subject} version {version}: {breach}")
    if found:
        raise typer.Exit(1)
    typer.echo(f"{file} may be the next version of {subject}")


@schemas.command()
def push(
    registry_url: Annotated[
        str | None,
        typer.Option("--registry", envvar="THALWEG_SCHEMA_REGISTRY_URL", help="http(s)://[user:password@]host[:port]"),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; otherwise only what would be done is shown.")] = False,
) -> None:
    """Register every schema in a Schema Registry, under the ids it has here.

    Ids must agree, since they stand in every record. So a subject is put in IMPORT mode while its versions are
    written, and back in its own mode after. A registry that has something else under one of our ids or versions is
    left as it is, and the exit status is 1.

    Example: **thalweg schemas push --registry http://registry:8081 --yes**
    """
    if not registry_url:
        raise Misconfigured("which registry? Set THALWEG_SCHEMA_REGISTRY_URL, or pass --registry http://host:8081")
    with Registrar(registry_url) as registrar:
        wishes = registrar.compare(checked_in())
        _tell(wishes)
        conflicts = [wish for wish in wishes if wish.state is State.CONFLICT]
        missing = [wish for wish in wishes if wish.state is State.MISSING]
        if conflicts:
            typer.echo("nothing was written: a registry whose ids differ from ours cannot serve our records")
            raise typer.Exit(1)
        if not missing:
            typer.echo("the registry holds every schema")
        elif not yes:
            typer.echo(f"{len(missing)} to register; nothing was written. Do it with --yes")
        else:
            registrar.register(missing)
            typer.echo(f"registered {len(missing)}")


def _tell(wishes: list[Wish]) -> None:
    drawn = table("subject", "version", "id", "there", right=("version", "id"))
    for wish in wishes:
        state = f"[{COLOURS[wish.state]}]{wish.told}[/{COLOURS[wish.state]}]"
        drawn.add_row(wish.subject, str(wish.version), str(wish.schema.id), state)
    console().print(drawn)


def _full_name(schema: Schema) -> str:
    return f"{schema.definition['namespace']}.{schema.definition['name']}"


def _versions(registry: Registry, subject: str) -> list[int]:
    """Ids, oldest first. Raises Misconfigured, naming the subjects."""
    ids = registry.subjects.get(subject) or registry.subjects.get(f"{subject}-value")
    if ids is None:
        raise Misconfigured(f"no subject {subject!r}; there are {', '.join(registry.subjects)}")
    return list(ids)


def _read(file: Path) -> Any:
    try:
        return json.loads(file.read_text("utf-8"))
    except (ValueError, OSError) as error:
        raise Misconfigured(f"{file} is not readable as JSON: {error}") from error


def _subject_of(registry: Registry, definition: Any) -> str:
    """Raises Misconfigured."""
    wanted = definition.get("name") if isinstance(definition, dict) else None
    for subject, ids in registry.subjects.items():
        if registry.schemas[ids[-1]].definition["name"] == wanted:
            return subject
    raise Misconfigured(f"no subject has a record named {wanted!r}; say which is meant with --subject")


def _breaches(old: Schema, definition: Any, file: Path) -> list[str]:
    try:
        return [str(breach) for breach in breaches(old.definition, definition)]
    except ValueError as error:
        raise Misconfigured(f"{file}: {error}") from error
