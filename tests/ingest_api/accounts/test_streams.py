"""Streams and their owners at the door: what a name means to whom, and who may do what."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from ingest_api.accounts.streams import SETTLED, StreamGrants
from ingest_api.entities.orders import Author
from ingest_api.grants import reads
from ingest_api.principal import Principal
from ingest_api.problems import Busy, Conflict
from schemas.accounts.streams import Stream
from schemas.grants import Access
from schemas.permissions import permissions_of
from tests.doubles.door import key_for
from tests.ingest_api.accounts.house import House, Json, house

SENSOR, KEPT = key_for("read", "write", name="sensor")
OTHER = Principal("key:other", "other", permissions_of(["read", "write"]))


@pytest.fixture
async def at() -> AsyncIterator[House]:
    async with house(api_keys=(KEPT,), streams_each=3) as made:
        yield made


class Caller:
    """A user, by session and by the streams they write."""

    def __init__(self, at: House, headers: Json, principal: Principal) -> None:
        self.at, self.headers, self.principal = at, headers, principal

    @property
    def grants(self) -> StreamGrants:
        return self.at.desk.grants

    async def write(self, name: str) -> str:
        """The key that was written to, whose model has begun then."""
        key = await self.grants.key_to_write(self.principal, Author(self.principal.id), name)
        self.at.desk.born.setdefault(key, self.at.clock())
        return key

    def reads(self, key: str) -> bool:
        return reads(self.grants, self.grants.party(self.principal), key)

    async def shared(self, stream: str, **wanted: object) -> Json:
        path = f"/api/v1/streams/{stream}/access"
        answer = await self.at.http.patch(path, json=wanted, headers=self.headers)
        return {"status": answer.status_code, **answer.json()}

    async def access(self, stream: str) -> Json:
        answer = await self.at.http.get(f"/api/v1/streams/{stream}/access", headers=self.headers)
        return {"status": answer.status_code, **answer.json()}


async def user(at: House, name: str) -> Caller:
    headers = await (at.bearer() if name == "admin" else at.user(name))
    token = headers["Authorization"].partition(" ")[2]
    return Caller(at, headers, await at.desk.door.directory.principal_for_token(token))


async def test_two_users_who_never_name_a_stream_have_one_each_and_see_their_own(at: House) -> None:
    ada, eve = await user(at, "ada"), await user(at, "eve")
    first, second = await ada.write("default"), await eve.write("default")
    assert first == "default"
    assert second.startswith("default:")
    assert (ada.grants.key_of(ada.principal, "default"), eve.grants.key_of(eve.principal, "default")) == (first, second)
    assert [ada.reads(first), ada.reads(second), eve.reads(first), eve.reads(second)] == [True, False, False, True]
    assert await eve.write(second) == second, "its owner may call it by its key too"
    assert await eve.write("default") == second


async def test_who_is_known_pays_nothing_more(at: House) -> None:
    ada = await user(at, "ada")
    await ada.write("pumps")
    ordered = len(at.desk.orders.ordered)
    await ada.write("pumps")
    assert len(at.desk.orders.ordered) == ordered


async def test_the_administrator_and_the_keys_of_the_settings_share_the_installations_streams(at: House) -> None:
    admin, other = await user(at, "admin"), Caller(at, {}, OTHER)
    assert await other.write("line") == "line"
    assert await admin.write("line") == "line"
    assert at.desk.grants.streams.entries["line"].owner == "operator"


async def test_an_administrator_reads_all_and_writes_into_nobodys(at: House) -> None:
    ada, admin = await user(at, "ada"), await user(at, "admin")
    await ada.write("pumps")
    assert admin.reads("pumps")
    assert not Caller(at, {}, OTHER).reads("pumps"), "a key that administers nothing"
    assert await admin.write("pumps") == "pumps:operator"


async def test_a_name_that_was_foreseen_blocks_nobody(at: House) -> None:
    ada, eve = await user(at, "ada"), await user(at, "eve")
    victim = eve.principal.user or ""
    assert await ada.write("pumps") == "pumps"
    assert await ada.write(f"pumps:{victim[:8]}") == f"pumps:{victim[:8]}"
    key = await eve.write("pumps")
    assert key.startswith("pumps:")
    assert eve.reads(key)
    assert not ada.reads(key)


async def test_a_stream_of_before_is_everybodys_until_it_is_given_an_owner(at: House) -> None:
    ada, eve, admin = await user(at, "ada"), await user(at, "eve"), await user(at, "admin")
    at.desk.born["old"] = at.clock() - SETTLED - 1
    assert [await each.write("old") for each in (ada, eve, admin)] == ["old"] * 3
    assert "old" not in at.desk.grants.streams.entries
    assert (await ada.access("old"))["owner"] is None
    assert (await ada.shared("old", owner="ada"))["status"] == 403
    assert (await admin.shared("old", owner="ada"))["owner"]["username"] == "ada"
    assert [ada.reads("old"), eve.reads("old"), admin.reads("old")] == [True, False, True]


async def test_a_stream_that_has_just_begun_is_nobodys_to_read_before_it_is_sure_that_it_has_no_owner(
    at: House,
) -> None:
    """Another server may have taken its first points, and this one not have read yet who owns it."""
    eve = await user(at, "eve")
    at.desk.born["new"] = at.clock()
    assert not eve.reads("new")
    assert (await eve.access("new"))["status"] == 404
    at.clock.ahead += SETTLED // 1_000_000 + 1
    assert eve.reads("new")


async def test_a_server_that_cannot_read_the_owners_opens_no_new_stream_however_long_it_lasts(at: House) -> None:
    eve, read_until = await user(at, "eve"), at.clock()
    at.desk.known = lambda: read_until
    at.desk.born["before"], at.desk.born["since"] = read_until - SETTLED - 1, read_until
    at.clock.ahead += 10 * SETTLED // 1_000_000
    assert [eve.reads("before"), eve.reads("since")] == [True, False]


async def test_a_stream_is_shown_to_a_team_or_to_everybody(at: House) -> None:
    ada, eve = await user(at, "ada"), await user(at, "eve")
    await ada.write("pumps")
    shared = await ada.shared("pumps", visibility="team", members=["eve"])
    assert (shared["status"], [each["username"] for each in shared["members"]]) == (200, ["eve"])
    assert (eve.reads("pumps"), await eve.write("pumps")) == (True, "pumps")
    assert (await eve.shared("pumps", visibility="public-read"))["status"] == 403
    await ada.shared("pumps", visibility="public-read", members=[])
    assert eve.reads("pumps")
    assert (await eve.access("pumps"))["members"] == []
    assert await eve.write("pumps") != "pumps"
    await ada.shared("pumps", visibility="owner")
    assert not eve.reads("pumps")


async def test_a_stream_that_may_not_be_read_is_as_good_as_none(at: House) -> None:
    ada, eve = await user(at, "ada"), await user(at, "eve")
    await ada.write("pumps")
    hidden, none = await eve.access("pumps"), await eve.access("pumpz")
    assert hidden["status"] == none["status"] == 404
    assert hidden["error"]["message"] == none["error"]["message"].replace("pumpz", "pumps")
    assert (await eve.shared("pumps", owner="eve"))["status"] == 404


async def test_a_stream_is_given_away_and_the_giver_reads_it_no_more(at: House) -> None:
    ada, eve = await user(at, "ada"), await user(at, "eve")
    await ada.write("pumps")
    assert (await ada.shared("pumps", owner="eve@example.com"))["owner"]["username"] == "eve"
    assert [ada.reads("pumps"), eve.reads("pumps")] == [False, True]
    assert at.desk.orders.ordered[-1] == "stream.share"


async def test_a_key_that_leaks_gives_no_stream_away(at: House) -> None:
    ada = await user(at, "ada")
    await ada.write("pumps")
    made = await at.http.post("/auth/api-keys", json={"name": "k", "scopes": ["read", "write"]}, headers=ada.headers)
    by_key = Caller(at, {"X-API-Key": made.json()["api_key"]}, ada.principal)
    assert (await by_key.access("pumps"))["status"] == 200
    assert (await by_key.shared("pumps", visibility="public-read"))["status"] == 403


async def test_a_user_with_too_many_streams_is_told_how_to_make_room(at: House) -> None:
    ada = await user(at, "ada")
    for name in "abc":
        await ada.write(name)
    with pytest.raises(Conflict, match="You have 3 streams"):
        await ada.write("d")
    await ada.grants.retire(Author(ada.principal.id), "a")
    assert await ada.write("d") == "d"
    assert await ada.write("b") == "b", "those that are there go on"


async def test_a_first_write_that_nobody_decides_stores_nothing_and_says_to_send_it_again(at: House) -> None:
    ada = await user(at, "ada")
    await ada.write("known")
    at.desk.orders.outage = Busy("The change is taken and not decided yet", 5)
    with pytest.raises(Busy, match="nothing was stored: send the same again") as refused:
        await ada.write("pumps")
    assert (refused.value.status, refused.value.headers["Retry-After"]) == (503, "5")
    assert "pumps" not in at.desk.grants.streams.entries
    assert await ada.write("known") == "known", "no worker is needed for what is decided"


async def test_who_is_an_administrator_no_more_reads_no_more_than_others(at: House) -> None:
    ada, eve, admin = await user(at, "ada"), await user(at, "eve"), await user(at, "admin")
    await ada.write("pumps")
    uuid = eve.principal.user or ""
    await at.http.put(f"/api/admin/users/{uuid}", json={"roles": ["admin"]}, headers=admin.headers)
    leads = await user_again(at, "eve")
    assert leads.reads("pumps")
    await at.http.put(f"/api/admin/users/{uuid}", json={"roles": ["user"]}, headers=admin.headers)
    held = at.desk.door.directory.recheck(leads.principal)
    assert not Caller(at, {}, held).reads("pumps")


async def user_again(at: House, name: str) -> Caller:
    headers = await at.bearer(name, "a rather fine password")
    token = headers["Authorization"].partition(" ")[2]
    return Caller(at, headers, await at.desk.door.directory.principal_for_token(token))


async def test_what_another_server_has_just_decided_is_found_out_at_the_first_write(at: House) -> None:
    """Its claim is in the log and not in our view: ours is refused, and the name means another stream to us."""
    ada, eve = await user(at, "ada"), await user(at, "eve")
    shelf = at.desk.grants.streams
    await ada.write("pumps")
    seen = dict(shelf.entries)
    shelf._entries.clear()
    order = at.desk.orders.order

    async def order_and_see(*arguments: object, **more: object) -> object:
        shelf._entries.update({key: shelf._entries.get(key, stream) for key, stream in seen.items()})
        return await order(*arguments, **more)  # type: ignore[arg-type]

    at.desk.orders.order = order_and_see  # type: ignore[method-assign, assignment]
    key = await eve.write("pumps")
    assert key.startswith("pumps:")
    assert isinstance(shelf.entries[key], Stream)
    assert Access.READ not in ada.grants.access(ada.grants.party(ada.principal), key)
