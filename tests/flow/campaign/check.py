"""Receipts, log, states, outputs, rows and deliveries held against each other: every difference is a violation."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from schemas.clustering.clusters import ClustersUpdated
from schemas.clustering.points import PointsAnswered, PointsObserved
from schemas.clustering.topics import OBSERVED
from schemas.codec import Codec, Undecodable
from schemas.event import Event
from schemas.position import Position
from tests.flow.campaign.evidence import Evidence, Rows, Written
from tests.flow.campaign.journal import Journal, Operation, Place, Promise
from tests.flow.campaign.listen import Fact, Listener
from tests.flow.campaign.load import OPERATION

CODEC = Codec()
Violations = Iterator[str]


def check_receipts(journal: Journal, evidence: Evidence) -> Violations:
    """Whatever was acknowledged is in the log, at the place of the receipt, and counted once."""
    places = _places_by_operation(evidence)
    for operation in journal.operations:
        for receipt in operation.receipts:
            for part, place in enumerate(receipt.places):
                if not _holds(evidence, place, operation, part):
                    yield f"{operation.name}: {receipt.promise} as {_at(place)}, where something else is, or nothing"
        yield from _counted(operation, places[operation.number], evidence)


def _holds(evidence: Evidence, place: Place, operation: Operation, part: int) -> bool:
    record = evidence.log.get(place)
    if record is None:
        return False
    if operation.value is not None:
        return record.value == operation.value
    return _marks(record.value) == operation.number and int(record.headers["thalweg-part"]) == part


def _counted(operation: Operation, places: Mapping[int, Sequence[Place]], evidence: Evidence) -> Violations:
    """`places` by part."""
    truth = evidence.truth
    for part, found in places.items():
        if not operation.keyed and len(found) > 1:
            yield f"{operation.name}: part {part} was sent once and is in the log {len(found)} times"
        learned = [place for place in found if place in truth.clustered]
        refused = [place for place in found if place in truth.refusals]
        used = len(learned) == 1 or (operation.way == "kafka" and not learned)  # a reset is learned nowhere
        if not ((used and not refused) or len(refused) == len(found)):
            yield f"{operation.name}: part {part} counts {len(learned)} times, at {[_at(place) for place in found]}"
    for receipt in operation.receipts:
        if receipt.refused and any(place in truth.clustered for found in places.values() for place in found):
            yield f"{operation.name} was answered with a refusal, and learned"


def _places_by_operation(evidence: Evidence) -> Mapping[int, Mapping[int, Sequence[Place]]]:
    """Operation -> part -> places."""
    found: defaultdict[int, defaultdict[int, list[Place]]] = defaultdict(lambda: defaultdict(list))
    for place, record in evidence.log.items():
        number = _marks(record.value)
        if number is not None:
            found[number][int(record.headers.get("thalweg-part", b"0"))].append(place)
    return found


def _marks(value: bytes | None) -> int | None:
    """The operation a record is of; None for what cannot be read."""
    try:
        return int(CODEC.decode(value or b"", PointsObserved).metadata[OPERATION])
    except Undecodable:
        return None


def check_answers(journal: Journal, evidence: Evidence) -> Violations:
    """What callers were told is what the log's one reader says."""
    for operation in journal.operations:
        for receipt in operation.receipts:
            if receipt.promise is not Promise.ANSWERED or receipt.refused:
                continue
            answers = [evidence.truth.answers.get(place) for place in receipt.places]
            if None in answers:
                yield f"{operation.name} was answered about {receipt.places}, which have no answer"
                continue
            strays = sum(answer.labels.count(-1) for answer in answers if answer is not None)
            repeated = any(answer.duplicate for answer in answers if answer is not None)
            if (strays, repeated) != (receipt.outliers, receipt.duplicate):
                told = f"{receipt.outliers} outliers, duplicate={receipt.duplicate}"
                yield f"{operation.name} was answered {told}; the log says {strays}, {repeated}"


def check_states(evidence: Evidence) -> Violations:
    """Bit for bit."""
    yield from evidence.torn
    truth = evidence.truth.states
    for key in sorted(truth.keys() | evidence.states.keys()):
        held, wanted = evidence.states.get(key), truth.get(key)
        if held != wanted:
            reached = None if held is None else held[0], None if wanted is None else wanted[0]
            yield f"state {key!r}: the changelog's is not the log's (applied offsets {reached[0]} and {reached[1]})"


def check_outputs(evidence: Evidence) -> Violations:
    """Every output is there, none is there that should not be, and those told twice are told the same."""
    truth = evidence.truth
    yield from _same("points.clustered", evidence.clustered, truth.clustered, {"processed_at"})
    yield from _same("outliers.detected", evidence.outliers, truth.outliers, {"detected_at"})
    yield from _same("drift.detected", evidence.drifts, truth.drifts, {"detected_at"})
    reasons = {place: {letter.reason for letter in letters} for place, letters in evidence.letters.items()}
    yield from _differences("dead letters", reasons, {place: {reason} for place, reason in truth.refusals.items()})
    for place, letters in evidence.letters.items():
        if any(letter.value != evidence.log[place].value for letter in letters):
            yield f"the dead letter of {_at(place)} does not hold what was refused"


def _same(
    name: str, found: Mapping[Any, Sequence[Written[Any]]], truth: Mapping[Any, Event], but: set[str]
) -> Violations:
    yield from _differences(name, dict.fromkeys(found), dict.fromkeys(truth))
    for place in found.keys() & truth.keys():
        wanted = _plain(truth[place], but)
        if any(not _equal(_plain(event, but), wanted) for _, event in found[place]):
            yield f"{name} of {place} says something else than the log gives"


def _differences(name: str, found: Mapping[Any, Any], wanted: Mapping[Any, Any]) -> Violations:
    for place in sorted(wanted.keys() - found.keys()):
        yield f"{name}: nothing of {place}"
    for place in sorted(found.keys() - wanted.keys()):
        yield f"{name}: something of {place}, of which there should be nothing"
    for place in found.keys() & wanted.keys():
        if found[place] != wanted[place]:
            yield f"{name} of {place}: {found[place]} where {wanted[place]} is due"


def check_updates(evidence: Evidence) -> Violations:
    """What is told of a stream at a place is the stream's state there, and its last state is told."""
    truth = evidence.truth
    last: dict[str, Place] = {}
    for place, written in evidence.updates.items():
        wanted = truth.updates.get(place)
        for _, update in written:
            if wanted is None or not _equal(_told(update), _told(wanted)):
                yield f"clusters.updated of {_at(place)} is not the state there"
            last[update.stream] = max(place, last.get(update.stream, place))
    yield from _differences("the last of clusters.updated", last, truth.last)


def _told(update: ClustersUpdated) -> dict[str, Any]:
    """Without what is the worker's own, and what depends on when was told before."""
    plain = _plain(update, {"worker", "updated_at"})
    for cluster in plain["clusters"]:
        cluster.pop("changed")
    return plain


def check_replies(evidence: Evidence) -> Violations:
    """Whoever asked is answered, and told the same each time."""
    for place, record in evidence.log.items():
        asked = record.headers.get("thalweg-request-id")
        if asked is None:
            continue
        part = int(record.headers["thalweg-part"])
        replies = [it for it in evidence.replies.get((asked.decode(), part), ()) if it.position.offset == place[1]]
        if not replies:
            yield f"no reply to {_at(place)}, which {asked.decode()} waits for"
        for reply in replies:
            wanted = evidence.truth.answers.get(place)
            answer = None if reply.answer is None else CODEC.decode(reply.answer, PointsAnswered)
            if reply.reason != evidence.truth.refusals.get(place) or not _equal(_answer(answer), _answer(wanted)):
                yield f"the reply to {_at(place)} is not what the log gives"


def _answer(answer: PointsAnswered | None) -> dict[str, Any] | None:
    return None if answer is None else _plain(answer, {"processing_ms"})


def check_rows(rows: Rows, evidence: Evidence) -> Violations:
    """Every point once, with its own numbers; rollups agree; each stream's newest row is its last state."""
    truth = evidence.truth
    yield from _differences("rows of points", dict.fromkeys(rows.points), dict.fromkeys(truth.clustered))
    for place, stored in rows.points.items():
        event = truth.clustered.get(place)
        if event is not None and list(stored) != _rows(event.labels, event.similarities, event.values, event.dimension):
            yield f"rows of {_at(place)}: {len(stored)}, not the {len(event.labels)} that were learned, or others"
    yield from rows.rollups
    yield from _differences("the newest rows of streams", rows.last, truth.last)
    yield from _differences("rows of drifts", rows.drifts, dict.fromkeys(truth.drifts, 1))


def _rows(labels: Sequence[int], similarities: Any, values: Any, dimension: int) -> list[tuple[int, int, float, Any]]:
    points = values.reshape(-1, dimension).tolist()
    return list(zip(range(len(labels)), labels, similarities.tolist(), points, strict=True))


def check_listener(listener: Listener, evidence: Evidence) -> Violations:
    """Every fact was heard, or lies in a gap that was reported; nothing was heard that was not told."""
    yield from listener.wrong
    wanted = facts_of(evidence)
    for fact in sorted(wanted.keys() - listener.facts.keys()):
        if not any(_in_gap(listener, record.topic, record.partition, record.offset) for record, _ in wanted[fact]):
            yield f"subscriber {listener.seed} never heard of {fact}, nor of a gap there"
    for fact in sorted(listener.facts.keys() - wanted.keys()):
        yield f"subscriber {listener.seed} heard of {fact}, which is not in the log"


def facts_of(evidence: Evidence) -> dict[Fact, Sequence[Written[Any]]]:
    """What a subscriber of drift and outliers is to hear, with where it stands in the log."""
    facts: dict[Fact, Sequence[Written[Any]]] = {
        ("outliers_detected", _at(place), 0): written for place, written in evidence.outliers.items()
    }
    for (place, _), written in evidence.drifts.items():
        facts["drift_detection", _at(place), written[0][1].at_point] = written
    return facts


def _in_gap(listener: Listener, topic: str, partition: int, offset: int) -> bool:
    ranges = (each for gap in listener.gaps for each in gap["ranges"])
    return any(
        (each["topic"], each["partition"]) == (topic, partition) and each["from"] <= offset < each["to"]
        for each in ranges
    )


def check_last_heard(listener: Listener, evidence: Evidence) -> Violations:
    """A subscriber of clusters knows the last state of every stream."""
    yield from listener.wrong
    wanted = {stream: _at(place) for stream, place in evidence.truth.last.items()}
    yield from _differences(f"the last that subscriber {listener.seed} heard of streams", listener.statuses, wanted)


def _plain(event: Event, but: Iterable[str]) -> dict[str, Any]:
    return {name: value for name, value in event.datum().items() if name not in but}


def _equal(one: Any, other: Any) -> bool:
    """Numbers bit for bit, NaN included."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_equal(value, other[name]) for name, value in one.items())
    if hasattr(one, "tobytes") and hasattr(other, "tobytes"):
        return bool(one.tobytes() == other.tobytes())
    return bool(one == other)


def _at(place: Place) -> str:
    return str(Position(OBSERVED.name, *place))
