"""What a subscriber asks for: kinds of messages, streams, and a policy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ingest_api.live.backlog import Policy
from ingest_api.live.watch import Watch
from ingest_api.principal import Principal
from ingest_api.problems import FieldError, Forbidden, Invalid

Interest = tuple[str, str | None]
"""(kind, stream); None means every stream."""
Interests = frozenset[Interest]
MAX_STREAMS = 100
MAX_STREAM_LENGTH = 256


def kinds_of(topics: Iterable[str], watches: Sequence[Watch]) -> list[str]:
    """The kinds in `a,b` lists; every kind where nothing is listed. Raises Invalid, naming those there are."""
    allowed = [watch.kind for watch in watches]
    asked = [name.strip() for text in topics for name in text.split(",") if name.strip()]
    unknown = sorted(set(asked) - set(allowed))
    if unknown:
        told = ", ".join(name[:40] for name in unknown[:5])
        raise Invalid([FieldError("topics", f"{told}: there is no such topic; there are {', '.join(allowed)}")])
    return list(dict.fromkeys(asked)) or allowed


def interests_in(kinds: Iterable[str], streams: Sequence[str]) -> Interests:
    """Each kind of each stream; of every stream where none is named. Raises Invalid."""
    if len(streams) > MAX_STREAMS:
        raise Invalid([FieldError("stream", f"at most {MAX_STREAMS} streams can be named; name none to get all")])
    if any(not 0 < len(stream) <= MAX_STREAM_LENGTH for stream in streams):
        raise Invalid([FieldError("stream", f"a stream's name has from 1 to {MAX_STREAM_LENGTH} characters")])
    named: Sequence[str | None] = streams or (None,)
    return frozenset((kind, stream) for kind in kinds for stream in named)


def policy_of(text: str) -> Policy:
    """Raises Invalid, naming the policies."""
    try:
        return Policy(text)
    except ValueError:
        allowed = ", ".join(policy.value for policy in Policy)
        raise Invalid([FieldError("policy", f"one of {allowed}")]) from None


def with_more(held: Interests, more: Interests) -> Interests:
    """Both; every stream of a kind includes each. Raises Invalid beyond MAX_STREAMS names."""
    both = held | more
    whole = {kind for kind, stream in both if stream is None}
    kept = frozenset((kind, stream) for kind, stream in both if stream is None or kind not in whole)
    if len({stream for _, stream in kept}) > MAX_STREAMS:
        raise Invalid([FieldError("stream", f"at most {MAX_STREAMS} streams can be subscribed; name none to get all")])
    return kept


def without(held: Interests, kinds: Iterable[str], streams: Sequence[str]) -> Interests:
    """What is left; no streams means the whole kind."""
    dropped = set(kinds)
    return frozenset(
        (kind, stream) for kind, stream in held if kind not in dropped or (streams and stream not in streams)
    )


def matches(interests: Interests, kind: str, stream: str) -> bool:
    return (kind, None) in interests or (kind, stream) in interests


def readable(principal: Principal, topics: Sequence[str], watches: Sequence[Watch]) -> list[str]:
    """The kinds in `a,b` lists; where nothing is listed, every kind that the principal may read, so that a kind that is
    added takes nothing from who may not read it. Raises Invalid, and Forbidden where a kind is listed that they may not
    read, or there is none that they may."""
    permitted = [watch.kind for watch in watches if principal.may(watch.permission)]
    if not any(name.strip() for text in topics for name in text.split(",")):
        if not permitted:
            raise Forbidden(watches[0].permission)
        return permitted
    kinds = kinds_of(topics, watches)
    for watch in watches:
        if watch.kind in kinds:
            principal.require(watch.permission)
    return kinds


def needed(interests: Interests, watches: Sequence[Watch]) -> frozenset[str]:
    """The permissions that it takes to be told all of this."""
    kinds = {kind for kind, _ in interests}
    return frozenset(watch.permission for watch in watches if watch.kind in kinds)
