"""Decisions about who owns a stream. The first writer does; of two who are first, the one whose command lies before."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from pipeline.accounts.authority import guarded, stream_claimed, stream_retired, stream_shared
from pipeline.entities.decider import (
    ArgumentsInvalid,
    Command,
    Decider,
    Mark,
    Nothing,
    Others,
    Rejected,
    Rule,
    changing,
    read,
)
from schemas.accounts.streams import Stream
from schemas.accounts.topics import STREAMS as TOPIC
from schemas.accounts.users import Status, User
from schemas.grants import OPERATOR, Visibility

MAX_MEMBERS = 100
KEPT = 31 * 24 * 3600 * 1_000_000
"""Microseconds for which the key of a deleted stream stays its owner's: longer than any topic that a subscriber may
replay, so that nobody who takes the name reads of the stream before."""
MAX_RETIRED = 10
"""Times as many keys as streams: one owner's, deleted ones included."""


@dataclass(frozen=True, slots=True)
class Claim:
    """`most` are the streams that the owner may have; None: any number, which the installation alone may have."""

    owner: str
    name: str
    most: int | None = None


@dataclass(frozen=True, slots=True)
class Share:
    """None leaves a thing as it is. A stream that nobody owns must be given an owner."""

    owner: str | None = None
    visibility: Visibility | None = None
    members: list[str] | None = None


def claim(stream: Stream | None, command: Command, others: Others) -> Stream | Rejected:
    """The owner's own stays as it is, so that a claim can be repeated."""
    given = read(Claim, command.arguments)
    if given.most is None and given.owner != OPERATOR:
        raise ArgumentsInvalid("most is missing: a user has so many streams and no more")
    if stream is not None and stream.owner == given.owner and stream.retired_at is None:
        return stream
    if stream is not None and stream.owner != given.owner and not _forgotten(stream, command):
        return Rejected("held", "Somebody else has this name")
    refusal = _unknown([given.owner], others, "owner") or _too_many(given, others)
    if refusal is not None:
        return refusal
    if stream is None:
        return Stream(**command.birth, owner=given.owner, name=given.name)
    if stream.owner == given.owner:
        return replace(stream, retired_at=None)
    return replace(stream, owner=given.owner, name=given.name, visibility=Visibility.OWNER, members=[], retired_at=None)


def share(stream: Stream | None, command: Command, others: Others) -> Stream | Rejected:
    given = read(Share, command.arguments)
    owner = given.owner or (None if stream is None else stream.owner)
    if owner is None:
        return Rejected("owner_unknown", "Nobody owns this stream yet: say who shall")
    members = given.members if given.members is not None else ([] if stream is None else stream.members)
    if len(members) > MAX_MEMBERS:
        return Rejected("members_unknown", f"A stream has at most {MAX_MEMBERS} members")
    new = [owner] if given.owner is not None else []
    refusal = _unknown(new, others, "owner") or _unknown(given.members or [], others, "members")
    if refusal is not None:
        return refusal
    held = stream or Stream(**command.birth, owner=owner, name=command.entity_id)
    # An owner may have a stream of that name already: the key names the one that comes.
    taken = others.holder(Stream, ("name", f"{owner}/{held.name}")) not in (None, held.id)
    return replace(
        held,
        owner=owner,
        name=held.id if taken else held.name,
        visibility=given.visibility or held.visibility,
        members=sorted(set(members) - {owner}),
    )


def retire(stream: Stream, given: Nothing, command: Command, others: Others) -> Stream:
    return stream if stream.retired_at is not None else replace(stream, retired_at=command.at)


def claims(stream: Stream) -> Iterable[Mark]:
    yield "name", f"{stream.owner}/{stream.name}"


def groups(stream: Stream) -> Iterable[Mark]:
    yield "held", stream.owner
    if stream.retired_at is None:
        yield "owner", stream.owner


def _forgotten(stream: Stream, command: Command) -> bool:
    return stream.retired_at is not None and command.at - stream.retired_at > KEPT


def _too_many(given: Claim, others: Others) -> Rejected | None:
    if given.most is None:
        return None
    if others.count(Stream, ("owner", given.owner)) >= given.most:
        return Rejected(
            "too_many_streams",
            f"You have {given.most} streams, which is the most one may: delete one (DELETE /api/v1/streams/…) first",
        )
    if others.count(Stream, ("held", given.owner)) >= given.most * MAX_RETIRED:
        return Rejected(
            "too_many_streams",
            "You have used too many names of streams in a month: use one of a stream that you deleted again",
        )
    return None


def _unknown(users: Iterable[str], others: Others, what: str) -> Rejected | None:
    for user_id in users:
        user = others.get(User, user_id)
        if user_id != OPERATOR and (user is None or user.status is not Status.ACTIVE):
            return Rejected(f"{what}_unknown", "There is no active user of this id")
    return None


STREAMS = Decider(
    TOPIC,
    {
        "claim": guarded(Rule(claim), stream_claimed),
        "share": guarded(Rule(share), stream_shared),
        "retire": guarded(changing(Nothing, retire), stream_retired),
    },
    claims,
    groups,
)
