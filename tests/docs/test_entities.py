"""The document that adds a kind of entity: its snippets are the real ones, and its example works as it is printed."""

from __future__ import annotations

import sys
from dataclasses import fields, replace
from types import ModuleType
from typing import Any

import pytest

from pipeline.accounts.audit import AUDIT
from pipeline.accounts.deciders import DECIDERS
from pipeline.entities.decide import by_kind
from schemas.accounts.topics import AUDITED, COMMANDED
from schemas.accounts.traces import ActionAudited
from schemas.codec import Codec
from schemas.entity import Decided
from schemas.exchange import REPLIES, Replied
from schemas.registry import Schema, checked_in
from tests.docs.documents import ROOT, blocks, text_of
from tests.doubles.log import MemoryLog
from tests.topologies.tally import FaustEvent, Record, Recovered, end
from tests.topologies.test_decide import START, ordered
from topologies.checkpoint import Checkpoint
from topologies.decide import Book, Decide
from topologies.deliver import Deliver
from topologies.runs import Run

BLOCKS = list(blocks(text_of(ROOT / "docs" / "adding-an-entity.md")))
CUT = [(info.split()[1], text) for info, text in BLOCKS if "/" in info]
MODULE = "note_of_the_document"


@pytest.mark.parametrize(("path", "text"), CUT, ids=[f"{path} {text.split()[0]}" for path, text in CUT])
def test_a_snippet_stands_in_the_file_it_is_cut_from(path: str, text: str) -> None:
    assert text in (ROOT / path).read_text("utf-8")


def test_it_shows_each_place_that_a_kind_of_entity_touches() -> None:
    naming = {path for path, text in CUT if "WEBHOOKS" in text or "webhook.v1" in text}
    assert naming == {
        "schemas/accounts/webhooks.py",
        "schemas/accounts/topics.py",
        "schemas/accounts/avsc/registry.json",
        "pipeline/accounts/webhooks.py",
        "pipeline/accounts/deciders.py",
        "ingest_api/accounts/domain.py",
    }


@pytest.fixture
def note(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The document's code, as a module."""
    module = ModuleType(MODULE)
    monkeypatch.setitem(sys.modules, MODULE, module)
    exec("".join(text for info, text in BLOCKS if info == "python note"), module.__dict__)
    return module


@pytest.fixture
def codec(note: Any) -> Codec:
    [text] = [text for info, text in BLOCKS if info == "json note"]
    known = checked_in()
    new = max(known.schemas) + 1
    schema = Schema(new, note.Note.SCHEMA, text)
    assert [each["name"] for each in schema.definition["fields"]] == [each.name for each in fields(note.Note)]
    return Codec(
        replace(known, schemas={**known.schemas, new: schema}, subjects={**known.subjects, note.NOTES.subject: [new]})
    )


class Worker:
    def __init__(self, note: Any, codec: Codec, engine: Recovered, log: MemoryLog) -> None:
        now = (START + 100) * 1000
        deliver = Deliver(log, codec, lambda: now)  # type: ignore[arg-type]
        deciders = by_kind(*DECIDERS.values(), note.NOTE_DECIDER)
        self._point: Checkpoint[Book] = Checkpoint(
            Decide(COMMANDED, deciders, AUDIT, engine, deliver, codec, lambda: now), engine, end
        )

    async def take(self, *records: Record) -> None:
        await self._point.take(
            FaustEvent(Run(COMMANDED.name, 1, records[0].offset, records[0].offset, list(records)), 0, 1)
        )
        await self._point.flush()


async def test_a_new_kind_of_entity_is_decided_counted_audited_and_recovered(note: Any, codec: Codec) -> None:
    log = MemoryLog()
    engine = Recovered(log)
    await Worker(note, codec, engine, log).take(
        ordered(0, "register", username="ada"),
        ordered(1, "write", "n1", "note", owner="u1", title="Milk", text="buy some"),
        ordered(2, "rewrite", "n1", "note", text="bought"),
        ordered(3, "rewrite", "n1", "note", text="bought"),
        ordered(4, "write", "n2", "note", owner="u1", title="MILK"),
        ordered(5, "write", "n3", "note", owner="nobody", title="Tea"),
        ordered(6, "delete", "n9", "note"),
    )
    assert _notes(note, codec, log) == [("n1", 1, "buy some"), ("n1", 2, "bought")]
    assert _rejections(codec, log) == [None] * 4 + ["title_taken", "owner_unknown", "not_found"]
    audits = [codec.decode(each.value or b"", ActionAudited) for each in log.of(AUDITED.name)]
    assert [(it.action, it.details.get("changed")) for it in audits[1:4]] == [
        ("note.write", "*"), ("note.rewrite", "text"), ("note.rewrite", None)]  # fmt: skip

    follower = MemoryLog()
    await Worker(note, codec, engine, follower).take(
        ordered(7, "write", "n4", "note", owner="u1", title="milk"),
        ordered(8, "write", "n5", "note", owner="u1", title="Tea"),
        ordered(9, "write", "n6", "note", owner="u1", title="Jam"),
        ordered(10, "write", "n7", "note", owner="u1", title="Rum"),
        ordered(11, "delete", "n1", "note"),
        ordered(12, "write", "n8", "note", owner="u1", title="Milk"),
    )
    assert _rejections(codec, follower) == ["title_taken", None, None, "too_many_notes", None, None]
    assert follower.of(note.NOTES.name)[-2].value is None


def _notes(note: Any, codec: Codec, log: MemoryLog) -> list[tuple[str, int, str]]:
    held = [codec.decode(each.value, note.Note) for each in log.of(note.NOTES.name) if each.value is not None]
    return [(each.id, each.version, each.text) for each in held]


def _rejections(codec: Codec, log: MemoryLog) -> list[str | None]:
    answers = [codec.decode(each.value or b"", Replied).answer or b"" for each in log.of(REPLIES.name)]
    return [codec.decode(answer, Decided).rejection for answer in answers]
