"""What is due starts, a few at a time, and no webhook has all the places."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from pipeline.courier.agenda import Agenda

TOTAL, EACH = 5, 2
HOOKS = ("a", "b", "c", "d")


def test_a_delivery_starts_when_it_is_due() -> None:
    agenda = Agenda(TOTAL, EACH)
    agenda.put("1", "a", 10)
    assert (agenda.take(9), agenda.next_due()) == ([], 10)
    assert (agenda.take(10), agenda.next_due()) == (["1"], None)


def test_a_webhook_with_many_deliveries_leaves_room_for_others() -> None:
    agenda = Agenda(TOTAL, EACH)
    for number in range(100):
        agenda.put(f"a{number}", "a", 0)
    agenda.put("b0", "b", 1)
    assert sorted(agenda.take(1)) == ["a0", "a1", "b0"]


def test_those_that_wait_come_in_turn() -> None:
    agenda = Agenda(1, 1)
    for number in range(3):
        for hook in "ab":
            agenda.put(f"{hook}{number}", hook, 0)
    order = []
    while taken := agenda.take(0):
        order += taken
        agenda.done(taken[0])
    assert order == ["a0", "b0", "a1", "b1", "a2", "b2"]


def test_an_owner_of_many_slow_webhooks_leaves_room_for_others() -> None:
    agenda = Agenda(8, 2, each_owner=4)
    for number in range(40):
        agenda.put(f"m{number}", f"hook{number % 20}", 0, "mallory")
    agenda.put("a0", "hers", 1, "ada")
    taken = agenda.take(1)
    assert sorted(name[0] for name in taken) == ["a", "m", "m", "m", "m"]
    agenda.done("m0")
    assert [name[0] for name in agenda.take(1)] == ["m"]


def test_owners_take_turns_however_many_webhooks_they_have() -> None:
    agenda = Agenda(1, 1)
    for number in range(3):
        for hook in ("m1", "m2", "m3"):
            agenda.put(f"{hook}-{number}", hook, 0, "mallory")
        agenda.put(f"a-{number}", "hers", 0, "ada")
    order = []
    while taken := agenda.take(0):
        order += taken
        agenda.done(taken[0])
    assert [name[0] for name in order[:6]] == ["a", "m", "a", "m", "a", "m"]
    assert len(order) == 12


class Model(RuleBasedStateMachine):
    """The same by brute force: no fairness, but who may start at all."""

    def __init__(self) -> None:
        super().__init__()
        self.agenda = Agenda(TOTAL, EACH)
        self.due: dict[str, tuple[int, str]] = {}
        self.running: dict[str, str] = {}
        self.now = 0

    @rule(number=st.integers(0, 12), after=st.integers(-3, 10))
    def put(self, number: int, after: int) -> None:
        name, hook = f"d{number}", HOOKS[number % len(HOOKS)]
        self.agenda.put(name, hook, self.now + after)
        if name not in self.running:
            self.due[name] = (self.now + after, hook)

    @rule(number=st.integers(0, 12))
    def drop(self, number: int) -> None:
        self.agenda.drop(f"d{number}")
        self.due.pop(f"d{number}", None)

    @rule(seconds=st.integers(0, 5))
    def take(self, seconds: int) -> None:
        self.now += seconds
        for name in self.agenda.take(self.now):
            due, hook = self.due.pop(name)
            # One put off after it was ready may start as it was ready before; none starts that never was.
            assert due <= self.now
            self.running[name] = hook
        free = TOTAL - len(self.running)
        may = [it for it, (due, hook) in self.due.items() if due <= self.now and self._busy(hook) < EACH]
        assert not free or not may

    @rule(data=st.data())
    def done(self, data: st.DataObject) -> None:
        if self.running:
            name = data.draw(st.sampled_from(sorted(self.running)))
            self.agenda.done(name)
            del self.running[name]

    @invariant()
    def no_more_than_may(self) -> None:
        assert set(self.agenda.under_way) == set(self.running)
        assert len(self.running) <= TOTAL
        assert all(self._busy(hook) <= EACH for hook in HOOKS)

    @invariant()
    def knows_when_to_look_again(self) -> None:
        later = [due for due, _ in self.due.values() if due > self.now]
        next_due = self.agenda.next_due()
        assert not later or (next_due is not None and next_due <= min(later))

    def _busy(self, hook: str) -> int:
        return sum(1 for it in self.running.values() if it == hook)


TestModel = Model.TestCase


@given(st.integers(1, 2000))
def test_what_is_put_anew_again_and_again_takes_no_more_room(times: int) -> None:
    agenda = Agenda(TOTAL, EACH)
    for number in range(times):
        agenda.put("1", "a", number)
    assert len(agenda._waiting) <= 70
    assert agenda.next_due() == times - 1
