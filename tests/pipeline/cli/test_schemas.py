"""`thalweg schemas`, against a registry that answers over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.cli.registry import Registrar, State
from pipeline.cli.schemas import schemas
from pipeline.errors import Failure, Misconfigured, Unavailable
from schemas.registry import checked_in
from tests.doubles.registry import RegistryDouble, serving
from tests.ports import free_ports

OBSERVED = "points.observed.v1-value"
runner = CliRunner()


@pytest.fixture
def registry() -> Iterator[RegistryDouble]:
    with serving() as double:
        yield double


def push(registry: RegistryDouble, *more: str) -> tuple[int, str]:
    result = runner.invoke(schemas, ["push", "--registry", registry.url, *more])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def test_a_push_without_yes_writes_nothing(registry: RegistryDouble) -> None:
    code, output = push(registry)
    assert (code, registry.writes) == (0, [])
    versions = sum(len(ids) for ids in checked_in().subjects.values())
    assert f"{versions} to register; nothing was written" in output


def test_a_push_gives_every_schema_its_own_id_and_the_next_finds_all_there(registry: RegistryDouble) -> None:
    push(registry, "--yes")
    assert registry.schemas == {schema.id: schema.text for schema in checked_in().schemas.values()}
    assert registry.subjects[OBSERVED] == {1: 1}
    assert registry.modes == {}
    writes = len(registry.writes)
    assert "the registry holds every schema" in push(registry, "--yes")[1]
    assert len(registry.writes) == writes


def test_a_subjects_own_mode_is_put_back(registry: RegistryDouble) -> None:
    registry.modes[OBSERVED] = "READONLY_OVERRIDE"
    push(registry, "--yes")
    assert registry.modes == {OBSERVED: "READONLY_OVERRIDE"}


def test_a_subject_leaves_import_mode_even_when_the_registry_fails(registry: RegistryDouble) -> None:
    registry.fails_at = OBSERVED
    with pytest.raises(Failure, match="Error in the backend data store"):
        push(registry, "--yes")
    assert registry.modes == {}


def test_another_schema_under_one_of_our_ids_is_a_conflict_and_nothing_is_written(registry: RegistryDouble) -> None:
    registry.schemas[1] = '"string"'
    registry.subjects["somebody-elses"] = {1: 1}
    code, output = push(registry, "--yes")
    assert code == 1
    assert "id 1 is another schema" in output
    assert registry.writes == []


def test_our_schema_under_another_id_is_a_conflict(registry: RegistryDouble) -> None:
    registry.schemas[77] = checked_in().schemas[1].text
    registry.subjects[OBSERVED] = {1: 77}
    with Registrar(registry.url) as registrar:
        [conflict] = [wish for wish in registrar.compare(checked_in()) if wish.state is State.CONFLICT]
    assert (conflict.subject, conflict.told) == (OBSERVED, "version 1 is id 77")


def test_the_same_schema_in_another_layout_is_there(registry: RegistryDouble) -> None:
    registry.schemas[1] = json.dumps(checked_in().schemas[1].definition)
    registry.subjects[OBSERVED] = {1: 1}
    with Registrar(registry.url) as registrar:
        states = {wish.subject: wish.state for wish in registrar.compare(checked_in())}
    assert states[OBSERVED] is State.THERE


def test_a_registry_whose_modes_are_fixed_says_so(registry: RegistryDouble) -> None:
    registry.mutable = False
    with pytest.raises(Misconfigured, match="does not let modes be changed"):
        push(registry, "--yes")


def test_what_answers_but_is_no_registry_and_what_does_not_answer_are_told_apart() -> None:
    [port] = free_ports(1)
    with pytest.raises(Unavailable, match="no schema registry answers"), Registrar(f"http://127.0.0.1:{port}") as none:
        none.compare(checked_in())
    with pytest.raises(Misconfigured, match="has the form"):
        Registrar("registry:8081")


def test_a_password_in_the_url_is_in_no_message() -> None:
    [port] = free_ports(1)
    with Registrar(f"http://user:s3cret@127.0.0.1:{port}") as registrar, pytest.raises(Unavailable) as raised:
        registrar.compare(checked_in())
    assert "s3cret" not in str(raised.value)


def test_check_tells_what_is_incompatible_and_ends_with_one(tmp_path: Path) -> None:
    definition = checked_in().schemas[1].definition
    file = tmp_path / "points.avsc"
    file.write_text(json.dumps({**definition, "fields": definition["fields"][:-1]}))
    result = runner.invoke(schemas, ["check", str(file)])
    assert result.exit_code == 1
    assert f"{OBSERVED} version 1: old cannot read new: values: the writer has no such field" in result.output


def test_check_lets_a_compatible_change_through(tmp_path: Path) -> None:
    definition = checked_in().schemas[1].definition
    extra = {"name": "site", "type": ["null", "string"], "default": None}
    file = tmp_path / "points.avsc"
    file.write_text(json.dumps({**definition, "fields": [extra, *definition["fields"]]}))
    result = runner.invoke(schemas, ["check", str(file), "--subject", "points.observed.v1"])
    assert (result.exit_code, result.output) == (0, f"{file} may be the next version of points.observed.v1\n")


def test_show_prints_the_text_as_it_is_checked_in() -> None:
    result = runner.invoke(schemas, ["show", "points.observed.v1"])
    assert result.output == checked_in().schemas[1].text
