"""Clients of the accounts over REST: administrators, and users who log in, refresh, and are now and then careless."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
import jwt

from tests.flow.campaign.commands import NAMES
from tests.flow.campaign.deeds import Deed, Deeds, Told
from tests.flow.stack import ADMIN_PASSWORD

PERSONS = ("person-0", "person-1", "person-2")
PASSWORD = "seven geese over a violet roof"
ADMINISTRATORS = 2
REST_SECONDS = 0.15
ANSWER_SECONDS = 20.0
REASONS = (
    *("version_conflict", "username_taken", "email_taken", "role_unknown", "last_administrator", "too_many_keys"),
    *("permission_missing", "owner_unknown"),
)
"""Rejections as answers have them, in small or in capitals."""
GONE = "deleted meanwhile"
"""It was done, and undone by somebody else before the answer was made."""
OK = (httpx.codes.OK, httpx.codes.CREATED)
NO = (httpx.codes.UNAUTHORIZED, httpx.codes.NOT_FOUND, httpx.codes.CONFLICT, httpx.codes.UNPROCESSABLE_ENTITY)
Json = dict[str, Any]


@dataclass
class Office:
    """What the clients share. `users` are ids that administrators know of, with the version last seen."""

    urls: Sequence[str]
    deeds: Deeds
    chance: random.Random
    token: str = ""
    users: dict[str, int] = field(default_factory=dict)
    persons: list[str] = field(default_factory=list)

    async def open(self) -> None:
        """Logs the administrator in, whose token holds for the whole run, and makes the persons."""
        async with httpx.AsyncClient(timeout=ANSWER_SECONDS) as http:
            form = {"username": "admin", "password": ADMIN_PASSWORD}
            answer = await http.post(f"{self.urls[0]}/auth/login", data=form)
            self.token = answer.raise_for_status().json()["access_token"]
            for name in PERSONS:
                deed = self.deeds.begin("register")
                told = {"username": name, "password": PASSWORD, "roles": ["user"], "full_name": deed.mark}
                made = await self.ask(http, deed, "POST", "/api/admin/users", json=told, headers=bearer(self.token))
                assert made is not None, f"{name} cannot be made"
                self.persons.append(made["id"])

    async def ask(self, http: httpx.AsyncClient, deed: Deed | None, method: str, path: str, **more: Any) -> Json | None:
        """The answer's body if it was a success; the deed is told what the answer tells, of which `wrong` notes what no
        fault explains."""
        url = more.pop("url", None) or self.chance.choice(self.urls)
        try:
            answer = await http.request(method, url + path, timeout=ANSWER_SECONDS, **more)
            body = answer.json()
        except (httpx.TransportError, ValueError):
            return None
        if answer.status_code in OK:
            if deed is not None:
                deed.told, deed.version = Told.ACCEPTED, _version(answer)
            return dict(body) | {"url": url}
        if answer.status_code in NO:
            if deed is not None and GONE not in answer.text:
                deed.told, deed.reason = Told.REFUSED, _reason(answer)
        elif answer.status_code != httpx.codes.SERVICE_UNAVAILABLE or "retry-after" not in answer.headers:
            what = f"{method} {path}" if deed is None else deed.name
            self.deeds.wrong.append(f"{what} was answered {answer.status_code}: {answer.text[:300]}")
        return None


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _version(answer: httpx.Response) -> int | None:
    tag = answer.headers.get("etag")
    return None if tag is None else int(tag.strip('"'))


def _reason(answer: httpx.Response) -> str | None:
    text = answer.text.lower()
    return next((reason for reason in REASONS if reason in text), None)


async def administer(office: Office, seed: int, stopping: asyncio.Event) -> None:
    """One administrator: makes, changes and deletes users, some of them of a version that is none any more."""
    chance = random.Random(seed)
    async with httpx.AsyncClient(headers=bearer(office.token)) as http:
        while not stopping.is_set():
            draw = chance.random()
            if draw < 0.25 or not office.users:
                await _make(office, http, chance)
            elif draw < 0.85:
                await _change(office, http, chance)
            else:
                await _delete(office, http, chance)
            await asyncio.sleep(REST_SECONDS)


async def _make(office: Office, http: httpx.AsyncClient, chance: random.Random) -> None:
    deed = office.deeds.begin("register")
    told = {"username": chance.choice(NAMES), "password": PASSWORD, "full_name": deed.mark, "roles": ["viewer"]}
    made = await office.ask(http, deed, "POST", "/api/admin/users", json=told)
    if made is not None:
        office.users[made["id"]] = made["version"]


async def _change(office: Office, http: httpx.AsyncClient, chance: random.Random) -> None:
    deed = office.deeds.begin("administer")
    user_id = chance.choice([*office.users, *office.persons])
    told: Json = {"full_name": deed.mark}
    if user_id in office.users and chance.random() < 0.5:
        told |= {"username": chance.choice(NAMES)}
    seen = office.users.get(user_id, 1)
    headers = {"If-Match": f'"{seen}"'} if chance.random() < 0.6 else {}
    changed = await office.ask(http, deed, "PUT", f"/api/admin/users/{user_id}", json=told, headers=headers)
    if changed is None:
        return
    if user_id in office.users:
        office.users[user_id] = changed["version"]
    if headers and changed["version"] == seen + 1 and changed["full_name"] != deed.mark:
        office.deeds.wrong.append(f"{deed.name} was answered with a version that does not have it")
    await _read_again(office, http, user_id, changed)


async def _read_again(office: Office, http: httpx.AsyncClient, user_id: str, changed: Json) -> None:
    """Whoever wrote sees at the same server what was written, or what came later."""
    read = await office.ask(http, None, "GET", f"/api/admin/users/{user_id}", url=changed["url"])
    if read is not None and read["version"] < changed["version"]:
        office.deeds.wrong.append(f"user {user_id} was read at {read['version']} after {changed['version']}")


async def _delete(office: Office, http: httpx.AsyncClient, chance: random.Random) -> None:
    user_id = chance.choice(list(office.users))
    deed = office.deeds.begin("delete", user_id)
    headers = {"If-Match": f'"{office.users[user_id]}"'} if chance.random() < 0.5 else {}
    await office.ask(http, deed, "DELETE", f"/api/admin/users/{user_id}", headers=headers)
    if deed.told is Told.ACCEPTED or (deed.told is Told.REFUSED and deed.reason is None):
        office.users.pop(user_id, None)


async def live(office: Office, seed: int, stopping: asyncio.Event) -> None:
    """One person, with one session after the other."""
    person = Person(office, random.Random(seed), PERSONS[seed % len(PERSONS)])
    async with httpx.AsyncClient() as http:
        while not stopping.is_set():
            await person.act(http)
            await asyncio.sleep(REST_SECONDS)


@dataclass
class Person:
    """`spent` is a refresh token that has been used: whoever shows it loses the session."""

    office: Office
    chance: random.Random
    name: str
    access: str = ""
    refresh: str = ""
    spent: str = ""
    version: int = 1
    keys: list[str] = field(default_factory=list)

    async def act(self, http: httpx.AsyncClient) -> None:
        if not self.refresh:
            await self._log_in(http)
            return
        acts = {
            self._refresh: 30,
            self._race: 6,
            self._reuse: 4,
            self._describe: 40,
            self._make_key: 10,
            self._delete_key: 8,
            self._log_out: 2,
        }
        await self.chance.choices(list(acts), list(acts.values()))[0](http)

    async def _log_in(self, http: httpx.AsyncClient) -> None:
        form = {"username": self.name, "password": PASSWORD}
        opened = await self.office.ask(http, None, "POST", "/auth/login", data=form)
        if opened is not None:
            self._has(opened, "open_session")

    def _has(self, opened: Json, command: str) -> None:
        """Tokens that were given: the access token's id stands in the command that made it."""
        claims = jwt.decode(opened["access_token"], options={"verify_signature": False})
        self.office.deeds.begin(command, claims["jti"]).told = Told.ACCEPTED
        self.access, self.refresh, self.spent = opened["access_token"], opened["refresh_token"], ""

    async def _refreshed(self, http: httpx.AsyncClient, token: str) -> tuple[Told, Json | None]:
        """Answers to tokens that are not good are no deeds: the same token may be shown by several."""
        shown = Deed(-1, "refresh_session")
        body = await self.office.ask(http, shown, "POST", "/auth/refresh", data={"refresh_token": token})
        return shown.told, body

    async def _refresh(self, http: httpx.AsyncClient) -> None:
        before = self.refresh
        told, opened = await self._refreshed(http, before)
        if opened is not None:
            self._has(opened, "refresh_session")
            self.spent = before
        elif told is Told.REFUSED:
            self.refresh = ""  # by now somebody has ended the session; an answer that was lost counts as one

    async def _race(self, http: httpx.AsyncClient) -> None:
        """The same token at two servers at once: one of them at most is given new ones."""
        answers = await asyncio.gather(*(self._refreshed(http, self.refresh) for _ in range(2)))
        given = [opened for _, opened in answers if opened is not None]
        for opened in given:
            self._has(opened, "refresh_session")
        if len(given) > 1:
            self.office.deeds.wrong.append(f"{self.name} was given two sessions for one refresh token")
        self.refresh = ""

    async def _reuse(self, http: httpx.AsyncClient) -> None:
        if not self.spent:
            return
        _, opened = await self._refreshed(http, self.spent)
        if opened is not None:
            self.office.deeds.wrong.append(f"{self.name} was given tokens for a refresh token that was used before")
        self.refresh = self.spent = ""

    async def _describe(self, http: httpx.AsyncClient) -> None:
        deed = self.office.deeds.begin("describe")
        headers = bearer(self.access)
        if self.chance.random() < 0.5:
            headers["If-Match"] = f'"{self.version}"'
        await self.office.ask(http, deed, "PUT", "/api/users/profile", json={"bio": deed.mark}, headers=headers)
        self.version = deed.version or self.version
        if deed.told is Told.REFUSED and deed.reason is None:
            self.refresh = ""  # the session has been ended

    async def _make_key(self, http: httpx.AsyncClient) -> None:
        deed = self.office.deeds.begin("make")
        told = {"name": deed.mark, "permissions": ["read"]}
        made = await self.office.ask(http, deed, "POST", "/api/users/api-keys", json=told, headers=bearer(self.access))
        if made is not None:
            self.keys.append(made["key_info"]["id"])

    async def _delete_key(self, http: httpx.AsyncClient) -> None:
        if not self.keys:
            return
        key_id = self.chance.choice(self.keys)
        deed = self.office.deeds.begin("delete", key_id)
        await self.office.ask(http, deed, "DELETE", f"/api/users/api-keys/{key_id}", headers=bearer(self.access))
        if deed.told is Told.ACCEPTED:
            self.keys.remove(key_id)

    async def _log_out(self, http: httpx.AsyncClient) -> None:
        await self.office.ask(http, None, "POST", "/auth/logout", headers=bearer(self.access))
        self.refresh = ""
