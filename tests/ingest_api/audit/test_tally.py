"""Nothing that happened goes uncounted, and no flood becomes as many records."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from ingest_api.audit.tally import OVERFLOW, Deed, Tally
from schemas.accounts.traces import Verdict
from schemas.codec import Codec

DEEDS = st.builds(
    Deed,
    actor=st.sampled_from(["user:a", "user:b", "address:192.0.2.1"]),
    action=st.sampled_from(["POST /x", "DELETE /x/{x_id}"]),
    status=st.sampled_from([200, 401, 403, 503]),
    target=st.sampled_from([None, "1", "2"]),
    reason=st.sampled_from([None, "NOT_FOUND"]),
    missing=st.sampled_from([None, "admin"]),
    address=st.sampled_from([None, "192.0.2.1"]),
)


@given(st.lists(DEEDS, max_size=200), st.integers(1, 30))
def test_every_deed_is_counted_once(deeds: list[Deed], most: int) -> None:
    tally = Tally(most)
    for at, deed in enumerate(deeds):
        tally.add(deed, at, f"req_{at}")
    records = list(tally.take(10**6, "known"))
    told = [record for record in records if record.action != OVERFLOW]
    assert len(told) <= most
    assert len(records) <= most + len(Verdict)
    expected = Counter(deed.verdict for deed in deeds)
    counted: Counter[Verdict] = Counter()
    for record in records:
        counted[record.verdict] += record.count
    assert counted == expected
    alike = Counter(deeds)
    for record in told:
        assert record.status is not None
        missing = record.details.get("missing")
        deed = Deed(record.actor, record.action, record.status, record.target, record.reason, missing, record.address)
        assert record.count == alike.pop(deed)
        assert record.request_id == f"req_{deeds.index(deed)}"
        assert record.at == deeds.index(deed)
    assert (len(records) > len(told)) == bool(alike)
    assert list(tally.take(0, "known")) == []


@given(DEEDS, st.integers(1, 2**40))
def test_whatever_was_counted_can_be_written(deed: Deed, lost: int) -> None:
    tally = Tally(1)
    tally.add(deed, 0, None)
    tally.add_beyond(deed.verdict, lost)
    assert tally
    for record in tally.take(0, "unknown"):
        assert Codec().decode(Codec().encode(record), type(record)) == record
