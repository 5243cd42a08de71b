"""What holds of decisions whatever is commanded."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pipeline.accounts.deciders import DECIDERS
from pipeline.entities.decide import decide
from pipeline.entities.decider import Command
from pipeline.entities.ledger import Ledger
from pipeline.outcome import Refuse
from schemas.accounts.users import Status, User
from schemas.entity import Entity
from schemas.permissions import OWN, permitted
from tests.pipeline.entities.orders import ORDERS, commands, decided

LISTS = st.lists(ORDERS, max_size=40)


def state(ledger: Ledger) -> dict[tuple[str, str], Entity]:
    return {(entity.KIND, entity.id): entity for entity in ledger.all()}


@given(LISTS)
def test_no_two_users_ever_share_a_name_or_an_address(orders: list[Any]) -> None:
    ledger = Ledger(DECIDERS)
    for command in commands(orders):
        decided(ledger, command)
        users = [entity for entity in ledger.all() if isinstance(entity, User)]
        for held in ([user.username for user in users], [user.email for user in users if user.email is not None]):
            assert max(Counter(map(str.casefold, held)).values(), default=1) == 1


@given(LISTS)
def test_a_change_counts_a_version_and_a_rejection_without_a_trace_changes_nothing(orders: list[Any]) -> None:
    ledger = Ledger(DECIDERS)
    for command in commands(orders):
        before = state(ledger)
        decision = decided(ledger, command)
        after = state(ledger)
        place = command.entity, command.entity_id
        assert {key for key in before.keys() | after.keys() if before.get(key) is not after.get(key)} <= {place}
        if not decision.changed:
            assert before == after
        elif place in after:
            entity = after[place]
            assert entity.version == (before[place].version + 1 if place in before else 1)
            assert (entity.source_offset, entity.updated_at) == (command.offset, command.at)


def test_what_is_set_to_what_it_is_already_makes_no_version() -> None:
    orders = [
        ("user", "u1", "register", {"username": "ada", "roles": ["user"]}, None),
        ("user", "u1", "administer", {"username": "ada", "roles": ["user"]}, 1),
        ("user", "u1", "administer", {"full_name": "Ada"}, 1),
    ]
    ledger = Ledger(DECIDERS)
    made, same, named = (decided(ledger, command) for command in commands(orders))
    assert (same.changed, same.answer.version, same.entity) == ((), 1, made.entity)
    assert (named.changed, named.answer.version) == (("full_name",), 2)


@given(LISTS)
def test_whoever_insists_on_a_version_changes_no_other(orders: list[Any]) -> None:
    ledger = Ledger(DECIDERS)
    for command in commands(orders):
        held = ledger.find(command.entity, command.entity_id)
        decision = decided(ledger, command)
        if held is not None and command.expected_version not in (None, held.version):
            assert decision.answer.rejection == "version_conflict"
            assert not decision.changed


@given(LISTS, st.integers(0, 40))
def test_what_is_recovered_from_a_prefix_of_the_changes_goes_on_to_the_same_end(orders: list[Any], cut: int) -> None:
    whole, journal = Ledger(DECIDERS), []
    for command in commands(orders):
        decision = decided(whole, command)
        if decision.changed:
            journal.append((command.offset, command.entity, command.entity_id, decision.entity))
    last: dict[tuple[str, str], tuple[int, Entity | None]] = {}
    for offset, kind, entity_id, entity in journal[:cut]:
        last[kind, entity_id] = offset, entity
    recovered = Ledger(DECIDERS)
    for (kind, entity_id), (offset, entity) in last.items():
        recovered.applied = max(recovered.applied, offset)
        recovered.put(kind, entity_id, entity)
    for command in commands(orders):
        if command.offset > recovered.applied:
            decided(recovered, command)
    assert state(recovered) == state(whole)


@given(LISTS)
def test_a_key_never_has_what_its_owner_has_not_when_it_is_made(orders: list[Any]) -> None:
    ledger = Ledger(DECIDERS)
    for command in commands(orders):
        decision = decided(ledger, command)
        if command.entity == "key" and command.name == "make" and decision.changed:
            owner = ledger.get(User, command.arguments["owner"])
            assert owner is not None
            assert owner.status is Status.ACTIVE
            assert set(command.arguments["permissions"]) <= permitted(owner.roles) - OWN


@given(LISTS)
def test_the_last_active_administrator_stays(orders: list[Any]) -> None:
    ledger = Ledger(DECIDERS)
    led = False
    for command in commands(orders):
        decided(ledger, command)
        leads = ledger.count(User, ("administrator", "active"))
        counted = sum(
            isinstance(user, User) and "admin" in user.roles and user.status is Status.ACTIVE for user in ledger.all()
        )
        assert leads == counted
        led = led or leads > 0
        assert not led or leads > 0


@given(LISTS)
def test_a_ticket_is_spent_once_and_never_late(orders: list[Any]) -> None:
    ledger, spent = Ledger(DECIDERS), set()
    births: dict[str, int] = {}
    for command in commands(orders):
        decision = decided(ledger, command)
        if command.name == "register" and decision.changed:
            births[command.entity_id] = command.at
        if command.name == "spend_ticket" and not decision.rejected:
            ticket = command.entity_id, births[command.entity_id], command.arguments["id"]
            assert (*ticket, command.arguments["expires_at"]) not in spent
            assert command.at < command.arguments["expires_at"]
            spent.add((*ticket, command.arguments["expires_at"]))


@given(st.sampled_from([*DECIDERS, "thing"]), st.text(max_size=12), st.dictionaries(st.text(max_size=9), st.integers()))
def test_a_command_that_is_none_is_refused_and_changes_nothing(kind: str, name: str, arguments: dict[str, int]) -> None:
    ledger = Ledger(DECIDERS)
    decision = decide(DECIDERS, ledger, Command(kind, "x", name, arguments, None, "test", 1, 1))
    assert isinstance(decision, Refuse) or decision.rejected
    assert len(ledger) == 0


def test_two_who_became_the_same_by_a_newer_form_go_on_and_a_third_does_not_join_them() -> None:
    ledger = Ledger(DECIDERS)
    stamps: dict[str, Any] = {"version": 1, "source_offset": 1, "created_at": 1, "updated_at": 1, "number": 1}
    for name, email in (("u1", "ada@m\u00fcnchen.de"), ("u2", "ada@xn--mnchen-3ya.de")):
        ledger.put("user", name, User(id=name, username=name, email=email, **stamps))
    orders = [
        ("user", "u1", "describe", {"bio": "one"}, None),
        ("user", "u2", "describe", {"bio": "two"}, None),
        ("user", "u3", "register", {"username": "u3", "email": "ADA@m\u00fcnchen.de"}, None),
    ]
    assert [decided(ledger, command).answer.rejection for command in commands(orders)] == [None, None, "email_taken"]
