"""Deeds, commands, entities, audit and views held against each other: every difference is a violation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from schemas.accounts.users import User
from schemas.codec import Codec
from schemas.entity import Decided
from schemas.exchange import REQUEST_ID_HEADER
from tests.flow.campaign.deeds import Deed, Deeds, Told
from tests.flow.campaign.estate import AuditRow, Estate, to_show
from tests.flow.oracle import Oracle, unlike

CODEC = Codec()
OWN = ("", "")
Violations = Iterator[str]


def check_accounts(deeds: Deeds, estate: Estate) -> Violations:
    """Of every promise about accounts."""
    yield from deeds.wrong
    yield from check_deeds(deeds, estate.oracle)
    yield from unlike("entity topics", estate.told, estate.oracle)
    yield from check_changelog(estate)
    yield from check_names(estate.oracle.all(User))
    yield from check_told(estate)
    yield from check_audit(estate)
    yield from check_views(estate)


def check_deeds(deeds: Deeds, oracle: Oracle) -> Violations:
    """What somebody was told is done is in the log once, and is done; what was refused is not."""
    values = Counter(record.value for record in oracle.log.values())
    for deed in deeds.all:
        if deed.value is not None:
            yield from _straight(deed, oracle, values[deed.value])
        elif deed.command == "delete":
            yield from _deletion(deed, oracle)
        else:
            yield from _done(deed, oracle)


def _straight(deed: Deed, oracle: Oracle, times: int) -> Violations:
    if times > 1 or (times == 0 and deed.told is Told.ACCEPTED):
        yield f"{deed.name}: was sent once and is in the log {times} times"
    elif deed.offset is not None and oracle.log[deed.offset].value != deed.value:
        yield f"{deed.name}: is not where Kafka said, at {deed.offset}"


def _done(deed: Deed, oracle: Oracle) -> Violations:
    found = oracle.marked.get((deed.command, deed.mark), [])
    if len(found) > 1 or (not found and deed.told is Told.ACCEPTED):
        yield f"{deed.name}: was asked for once and is in the log {len(found)} times, at {found}"
    elif found and deed.told is not Told.UNKNOWN:
        yield from _as_told(deed, found[0], oracle)


def _as_told(deed: Deed, offset: int, oracle: Oracle) -> Violations:
    answer = oracle.decisions[offset].answer
    told = deed.version if deed.version is not None else answer.version
    if (answer.rejection is None) != (deed.told is Told.ACCEPTED):
        yield f"{deed.name}: was {deed.told}, where the command at {offset} gives {answer.rejection or 'accepted'}"
    elif deed.told is Told.REFUSED and deed.reason not in (None, answer.rejection):
        yield f"{deed.name}: was refused as {deed.reason}, where the command gives {answer.rejection}"
    elif deed.told is Told.ACCEPTED and (told or 0) < (answer.version or 0):
        yield f"{deed.name}: was told version {told}, where the command makes it {answer.version}"


def _deletion(deed: Deed, oracle: Oracle) -> Violations:
    """Ids that servers give are never given again, so that one deletion of each is carried out at most."""
    answers = [oracle.decisions[offset].answer for offset in oracle.deleted.get(deed.mark, [])]
    done = sum(answer.rejection is None for answer in answers)
    if done > 1 or (done == 0 and deed.told is Told.ACCEPTED):
        yield f"{deed.name}: {deed.mark} is deleted {done} times"
    elif deed.reason is not None and deed.reason not in [answer.rejection for answer in answers]:
        yield f"{deed.name}: was refused as {deed.reason}, as no command is"


def check_changelog(estate: Estate) -> Violations:
    """What the worker keeps is what it told, and it has come to the end."""
    kept = dict(estate.kept)
    reached = max((offset for offset, _ in kept.pop(OWN, ())), default=0)
    if reached != estate.oracle.end:
        yield f"changelog: the worker has come to {reached} of {estate.oracle.end} commands"
    yield from unlike("changelog", kept, estate.oracle)


def check_names(users: Sequence[User]) -> Violations:
    """No two have one name, or one address."""
    for what in ("username", "email"):
        held = Counter((getattr(user, what) or user.id).casefold() for user in users)
        for value, times in held.items():
            if times > 1:
                yield f"{times} users have the {what} {value!r}"


def check_told(estate: Estate) -> Violations:
    """Whoever asked is answered, the same each time; what is no command is in the dead letters."""
    oracle = estate.oracle
    for offset, record in oracle.log.items():
        asked = record.headers.get(REQUEST_ID_HEADER)
        replies = [] if asked is None else estate.replies.get(asked.decode(), [])
        decision = oracle.decisions.get(offset)
        wanted = None if decision is None else CODEC.encode(decision.answer)
        if asked is not None and not replies:
            yield f"no reply to the command at {offset}"
        for reply in replies:
            if (reply.source_offset, reply.reason, reply.answer) != (offset, oracle.refusals.get(offset), wanted):
                told = None if reply.answer is None else CODEC.decode(reply.answer, Decided).rejection
                yield f"the reply to the command at {offset} is {reply.reason or told}, not what the log gives"
    for offset in sorted(oracle.refusals.keys() | estate.letters.keys()):
        due = {oracle.refusals[offset]} if offset in oracle.refusals else set()
        if estate.letters.get(offset, set()) != due:
            yield f"dead letters of the command at {offset}: {estate.letters.get(offset)}, where {due} is due"


def check_audit(estate: Estate) -> Violations:
    """One row of each command that is audited, and it says what was decided."""
    wanted = expected_rows(estate.oracle)
    for offset in sorted(wanted.keys() | estate.audit.keys()):
        rows = estate.audit.get(offset, [])
        if offset not in wanted or len(rows) != 1:
            yield f"audit: {len(rows)} rows of the command at {offset}, where {int(offset in wanted)} is due"
        elif rows[0] != wanted[offset]:
            yield f"audit: the row of the command at {offset} is {rows[0]}, not {wanted[offset]}"


def expected_rows(oracle: Oracle) -> Mapping[int, AuditRow]:
    return {
        offset: (it.actor, it.action, it.target, it.verdict.value, it.reason, it.at, dict(it.details))
        for offset, it in oracle.audits.items()
    }


def check_views(estate: Estate) -> Violations:
    """Every API process shows the entities as they are."""
    wanted = to_show(estate.oracle)
    for url, shown in estate.shown.items():
        for path, due in wanted.items():
            if shown.get(path) != due:
                yield f"{url}{path} does not show what the log gives: {_differing(shown.get(path, ()), due)}"


def _differing(shown: Sequence[object], due: Sequence[object]) -> str:
    strange = [each for each in shown if each not in due]
    missing = [each for each in due if each not in shown]
    return f"{len(shown)} where {len(due)} are due; strange {strange[:2]}, missing {missing[:2]}"
