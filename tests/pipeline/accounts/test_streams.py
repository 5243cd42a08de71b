"""Who owns a stream is decided once, by the one writer."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from pipeline.accounts.deciders import DECIDERS
from pipeline.accounts.streams import KEPT
from pipeline.entities.decide import Decision, decide
from pipeline.entities.decider import Command
from pipeline.entities.ledger import Ledger
from schemas.accounts.streams import Stream
from schemas.grants import OPERATOR, Access, Party, Visibility, access


class Court:
    """Decides over users `ada` and `eve`, who are there, and streams."""

    def __init__(self) -> None:
        self.ledger, self.at, self._offset = Ledger(DECIDERS), 1_000_000, 0
        self.actor = "system:api"
        for name in ("ada", "eve"):
            self.order("user", name, "register", username=name, roles=["user"])

    def order(self, kind: str, entity_id: str, command: str, **arguments: Any) -> Decision:
        self._offset += 1
        decision = decide(
            DECIDERS,
            self.ledger,
            Command(kind, entity_id, command, arguments, None, self.actor, self.at, self._offset),
        )
        assert isinstance(decision, Decision), decision
        return decision

    def claim(self, key: str, owner: str, name: str | None = None, most: int | None = 10) -> str | None:
        """The rejection."""
        return self.order("stream", key, "claim", owner=owner, name=name or key, most=most).answer.rejection

    def held(self, key: str) -> Stream:
        stream = self.ledger.get(Stream, key)
        assert stream is not None
        return stream


@pytest.fixture
def court() -> Court:
    return Court()


def test_of_two_first_writers_the_first_in_the_log_owns_and_either_may_repeat_itself(court: Court) -> None:
    assert court.claim("pumps", "ada") is None
    assert court.claim("pumps", "eve") == "held"
    assert court.claim("pumps", "ada") is None
    assert (court.held("pumps").owner, court.held("pumps").version) == ("ada", 1)


def test_two_owners_have_streams_of_one_name_and_one_owner_has_one(court: Court) -> None:
    assert court.claim("default", "ada") is None
    assert court.claim("default:eve", "eve", "default") is None
    assert court.claim("default:eve-again", "eve", "default") == "name_taken"


def test_a_user_has_so_many_streams_and_a_deleted_one_makes_room(court: Court) -> None:
    assert [court.claim(key, "ada", most=2) for key in "abc"] == [None, None, "too_many_streams"]
    court.order("stream", "a", "retire")
    assert [court.claim(key, "ada", most=2) for key in "ca"] == [None, "too_many_streams"]
    assert court.claim("c", OPERATOR, most=None) == "held"
    assert court.claim("d", OPERATOR, most=None) is None


def test_names_cannot_be_used_up_by_deleting(court: Court) -> None:
    for number in range(20):
        assert court.claim(f"s{number}", "ada", most=2) is None
        court.order("stream", f"s{number}", "retire")
    assert court.claim("one-more", "ada", most=2) == "too_many_streams"
    assert court.claim("s0", "ada", most=2) == "too_many_streams"


def test_the_key_of_a_deleted_stream_is_its_owners_as_long_as_the_log_tells_of_it(court: Court) -> None:
    court.claim("pumps", "ada")
    court.order("stream", "pumps", "share", visibility="public-read")
    court.order("stream", "pumps", "retire")
    court.at += KEPT
    assert court.claim("pumps", "eve") == "held"
    court.at += 1
    assert court.claim("pumps", "eve") is None
    held = court.held("pumps")
    assert (held.owner, held.visibility, held.retired_at) == ("eve", Visibility.OWNER, None)


def test_an_owner_who_writes_again_has_the_deleted_stream_back(court: Court) -> None:
    court.claim("pumps", "ada")
    court.order("stream", "pumps", "retire")
    assert court.claim("pumps", "ada") is None
    assert court.held("pumps").retired_at is None


def test_a_stream_goes_to_users_there_are_and_keeps_a_name_that_is_free(court: Court) -> None:
    court.claim("pumps", "ada")
    court.claim("pumps:eve", "eve", "pumps")
    assert court.order("stream", "pumps", "share", owner="nobody").answer.rejection == "owner_unknown"
    assert court.order("stream", "pumps", "share", members=["nobody"]).answer.rejection == "members_unknown"
    assert court.order("stream", "pumps:eve", "share", owner="ada", members=["ada", "eve"]).answer.rejection is None
    held = court.held("pumps:eve")
    assert (held.owner, held.name, held.members) == ("ada", "pumps:eve", ["eve"])


def test_a_stream_that_nobody_owns_is_given_an_owner(court: Court) -> None:
    assert court.order("stream", "old", "share", visibility="team").answer.rejection == "owner_unknown"
    assert court.order("stream", "old", "share", owner="ada").answer.rejection is None
    assert court.held("old").owner == "ada"


def test_a_stream_is_shared_by_its_owner_whatever_wrote_the_command(court: Court) -> None:
    court.claim("pumps", "ada")
    court.actor = "user:eve"
    assert court.order("stream", "pumps", "share", owner="eve").answer.rejection == "permission_missing"
    court.actor = "user:ada"
    assert court.order("stream", "pumps", "share", members=["eve"]).answer.rejection is None


def test_a_claim_for_a_user_who_is_no_more_is_none(court: Court) -> None:
    assert court.claim("pumps", "nobody") == "owner_unknown"


@pytest.mark.parametrize(("visibility", "party"), list(product(Visibility, ("owner", "member", "stranger", "admin"))))
def test_what_each_may_do_with_a_stream(visibility: Visibility, party: str) -> None:
    who = Party(party, administers=party == "admin")
    held = access("owner", visibility, ["member"], who)
    both = Access.READ | Access.WRITE
    expected = {
        "owner": both | Access.MANAGE,
        "admin": both | Access.MANAGE,
        "member": Access.NONE if visibility is Visibility.OWNER else both,
        "stranger": Access.READ if visibility is Visibility.PUBLIC_READ else Access.NONE,
    }
    assert held == expected[party]


def test_what_the_installation_owns_is_managed_by_administrators_alone() -> None:
    assert access(OPERATOR, Visibility.OWNER, [], Party(OPERATOR)) == Access.READ | Access.WRITE
    assert Access.MANAGE in access(OPERATOR, Visibility.OWNER, [], Party(OPERATOR, administers=True))
