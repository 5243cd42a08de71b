"""What a real Chromium makes of the API: streams that resume, cookies across origins, and the page of the API."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from ingest_api.app import create_app
from tests.browser import FOREIGN, Page, chromium, installed, page, site
from tests.doubles.certificates import made
from tests.doubles.desk import wired
from tests.doubles.door import ADMIN_PASSWORD, app_with, served, settings_with
from tests.ingest_api.live.records import drift
from tests.ingest_api.live.serving import Log, Served, listening, serving, take, token_for

EXECUTABLE = installed()
pytestmark = pytest.mark.skipif(EXECUTABLE is None, reason="no Chromium is installed (apt-get install chromium)")

CUTS = (2500, 6001, 9502)
"""How many bytes the first connections carry: each ends within an event."""
DRIFTS = 90

ASK = """
fetch(url, {credentials: "include", ...options}).then(async answer => [answer.status, await answer.text()],
                                                      error => [error.name, null])
"""
LISTEN = """
new Promise(done => {
  window.heard = [];
  window.source = new EventSource(url, {withCredentials: credentials});
  const keep = event => { heard.push([event.type, JSON.parse(event.data).data]); };
  for (const type of ["connected", "drift_detection", "gap", "bye"]) source.addEventListener(type, keep);
  source.addEventListener("connected", () => done(source.readyState));
  source.addEventListener("error", () => { if (source.readyState === EventSource.CLOSED) done(source.readyState); });
})
"""
SENT_AWAY = """
new Promise(done => {
  const look = () => window.heard && heard.some(([type]) => type === "bye") ? done(true) : setTimeout(look, 50);
  look();
})
"""
HEARD = """
new Promise(done => {
  const look = () => source.readyState === EventSource.CLOSED
    || heard.filter(([type]) => type === "drift_detection").length >= count ? done(heard) : setTimeout(look, 50);
  look();
})
"""
TRY = """
(async () => {
  const seen = async (selector, within = document) => {
    for (;;) {
      const found = within.querySelector(selector);
      if (found) return found;
      await new Promise(done => setTimeout(done, 50));
    }
  };
  const operation = (await seen("[data-path='/live']")).closest(".opblock");
  (await seen(".opblock-summary-control", operation)).click();
  (await seen(".try-out__btn", operation)).click();
  (await seen(".execute", operation)).click();
  return (await seen(".live-responses-table .response .response-col_status", operation)).innerText.trim();
})()
"""
OPEN, CLOSED = 1, 2


@pytest.fixture(scope="module")
def devtools(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    assert EXECUTABLE is not None
    with chromium(EXECUTABLE, tmp_path_factory.mktemp("chromium")) as address:
        yield address


@pytest.mark.parametrize("credential", ["ticket", "cookie"])
async def test_an_event_source_goes_on_where_it_was_cut_and_hears_everything_once(
    credential: str, devtools: str, kafka_bootstrap: str
) -> None:
    log = Log(kafka_bootstrap)
    async with (
        site() as origin,
        serving(log.live(), dev_admin=False, admin_password=ADMIN_PASSWORD, cors_origins=(origin,)) as api,
        cutting(api.port, CUTS) as cut_api,
        page(devtools) as console,
        log.writer() as write,
    ):
        await console.go(origin)
        by_cookie = credential == "cookie"
        query = await logged_in(console, api.url) if by_cookie else await with_ticket(console, api)
        url = f"{cut_api}/api/v1/events?topics=drift{query}"
        assert await console.run(LISTEN, url=url, credentials=by_cookie) == OPEN
        for number in range(1, DRIFTS + 1):
            await write("drift", ("s", drift("s", number)))
        heard = await console.run(HEARD, count=DRIFTS)
    assert [data["at_point"] for kind, data in heard if kind == "drift_detection"] == list(range(1, DRIFTS + 1))
    assert [data["resumed"] for kind, data in heard if kind == "connected"] == [False, True, True, True]
    assert {kind for kind, _ in heard} == {"connected", "drift_detection"}


async def test_an_event_source_that_finds_no_place_comes_back_by_itself(devtools: str, kafka_bootstrap: str) -> None:
    log = Log(kafka_bootstrap)
    async with (
        site() as origin,
        serving(
            log.live(max_subscribers=1), dev_admin=False, admin_password=ADMIN_PASSWORD, cors_origins=(origin,)
        ) as api,
        page(devtools) as console,
    ):
        await console.go(origin)
        url = f"{api.url}/api/v1/events?topics=drift{await with_ticket(console, api)}"
        async with listening(api) as occupying:
            await take(occupying, 1)
            opening = asyncio.create_task(console.run(LISTEN, url=url, credentials=False))
            await console.run(SENT_AWAY)
        assert await opening == OPEN
        heard = await console.run("heard")
    assert [kind for kind, _ in heard[:1] + heard[-1:]] == ["bye", "connected"]
    assert heard[0][1]["reason"] == "resource_error"


async def test_a_page_of_a_listed_origin_logs_in_by_cookie_and_any_other_page_cannot(
    devtools: str, kafka_bootstrap: str
) -> None:
    """Both pages are on the API's own site, where no `SameSite` keeps the cookie from the one that is not listed."""
    async with (
        site() as listed,
        site() as unlisted,
        serving(
            Log(kafka_bootstrap).live(), dev_admin=False, admin_password=ADMIN_PASSWORD, cors_origins=(listed,)
        ) as api,
        page(devtools) as tab,
    ):
        events = f"{api.url}/api/v1/events"
        await tab.go(unlisted)
        assert await ask(tab, f"{api.url}/auth/login", **login()) == ["TypeError", None]
        assert await tab.cookies() == [], "a page that is not listed has logged its visitor in"

        await tab.go(listed)
        await logged_in(tab, api.url)
        [cookie] = await tab.cookies()
        assert (cookie["name"], cookie["httpOnly"], cookie["sameSite"]) == ("session", True, "Lax")
        status, told = await ask(tab, f"{api.url}/auth/me")
        assert (status, '"username":"admin"' in told) == (200, True)
        assert await tab.run(LISTEN, url=events, credentials=True) == OPEN
        assert (await ask(tab, f"{api.url}/auth/ticket", method="POST"))[0] == 403
        csrf = {"X-CSRF-Token": await csrf_token(tab, api.url)}
        written = await ask(tab, f"{api.url}/auth/ticket", method="POST", headers=csrf)
        assert written[0] == 200

        await tab.go(unlisted)
        assert await ask(tab, f"{api.url}/auth/me") == ["TypeError", None]
        assert await tab.run(LISTEN, url=events, credentials=True) == CLOSED
        assert await tab.run("heard.length") == 0
        assert await ask(tab, f"{api.url}/auth/logout", method="POST", mode="no-cors") == [0, ""]
        await tab.go(listed)
        assert (await ask(tab, f"{api.url}/auth/me"))[0] == 200, "a page that is not listed has ended the session"


async def test_a_listed_page_of_another_site_is_known_by_its_cookie_over_tls(devtools: str, tmp_path: Path) -> None:
    """In a private window, which takes a cookie of another site only where it is kept apart for the page's own."""
    async with site(FOREIGN) as listed, site(FOREIGN) as unlisted:
        settings = settings_with(cors_origins=(listed,))
        app = create_app(settings, wired(settings))
        async with served(app, settings, made("api", tmp_path)) as (host, port), page(devtools) as tab:
            api = f"https://{host}:{port}"
            await tab.go(unlisted)
            assert await ask(tab, f"{api}/auth/login", **login()) == ["TypeError", None]
            assert await tab.cookies() == []
            await tab.go(listed)
            await logged_in(tab, api)
            [cookie] = await tab.cookies()
            assert (cookie["name"], cookie["sameSite"], cookie["secure"]) == ("__Host-session", "None", True)
            assert cookie["partitionKey"]["topLevelSite"] == f"http://{FOREIGN}"
            assert (await ask(tab, f"{api}/auth/me"))[0] == 200
            await tab.go(unlisted)
            assert await ask(tab, f"{api}/auth/me") == ["TypeError", None]
            await tab.go(listed)
            csrf = {"X-CSRF-Token": await csrf_token(tab, api)}
            assert (await ask(tab, f"{api}/auth/logout", method="POST", headers=csrf))[0] == 200
            assert await tab.cookies() == []


async def test_the_page_of_the_api_shows_and_tries_its_operations_without_any_other_host(devtools: str) -> None:
    settings = settings_with()
    async with served(app_with(), settings) as (host, port), page(devtools) as tab:
        api = f"http://{host}:{port}"
        await tab.go(f"{api}/docs")
        assert await tab.run(TRY) == "200"
        shown = await tab.run("document.querySelectorAll('.opblock').length")
        paths = (await tab.run("(await fetch('/openapi.json')).json()"))["paths"]
        asked = [each["request"]["url"] for each in tab.told("Network.requestWillBeSent")]
        assert shown == sum(len(operations) for operations in paths.values()) > 50
        assert {url for url in asked if not url.startswith((f"{api}/", "data:"))} == set()
        assert complaints(tab) == []


def complaints(tab: Page) -> Sequence[Any]:
    """What the console and the list of issues show."""
    logged = [told["entry"] for told in tab.told("Log.entryAdded") if told["entry"]["level"] in ("error", "warning")]
    console = [told for told in tab.told("Runtime.consoleAPICalled") if told["type"] in ("error", "warning", "assert")]
    issues = [told["issue"] for told in tab.told("Audits.issueAdded")]
    refused = [issue for issue in issues if issue["code"] == "ContentSecurityPolicyIssue"]
    return [*logged, *console, *tab.told("Runtime.exceptionThrown"), *refused]


async def ask(tab: Page, url: str, **options: Any) -> list[Any]:
    """[status, text] of a request with credentials, or the error's name where the browser tells the page no more."""
    told: list[Any] = await tab.run(ASK, url=url, options=options)
    return told


def login() -> dict[str, Any]:
    """A form's, so that the browser asks nobody before it sends it."""
    body = f"username=admin&password={ADMIN_PASSWORD.replace(' ', '+')}"
    return {"method": "POST", "headers": {"Content-Type": "application/x-www-form-urlencoded"}, "body": body}


async def logged_in(tab: Page, api: str) -> str:
    assert (await ask(tab, f"{api}/auth/login", **login()))[0] == 200
    return ""


async def csrf_token(tab: Page, api: str) -> str:
    """By which a page shows that it may read the answers."""
    status, told = await ask(tab, f"{api}/auth/csrf-token")
    assert status == 200
    token: str = json.loads(told)["csrf_token"]
    return token


async def with_ticket(tab: Page, api: Served) -> str:
    headers = {"Authorization": f"Bearer {await token_for(api, 600)}"}
    answer = "(await (await fetch(url, {method: 'POST', headers})).json()).ticket"
    return f"&ticket={await tab.run(answer, url=f'{api.url}/auth/ticket', headers=headers)}"


@asynccontextmanager
async def cutting(port: int, cuts: Sequence[int]) -> AsyncIterator[str]:
    """The API over a bad line: its first connections break once so many bytes of their answers have passed."""
    left = iter(cuts)

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        limit = next(left, None)
        inwards, outwards = await asyncio.open_connection("127.0.0.1", port)
        sending = asyncio.create_task(_copy(reader, outwards, None))
        try:
            await _copy(inwards, writer, limit)
        finally:
            sending.cancel()
            for each in (outwards, writer):
                each.transport.abort()

    async with await asyncio.start_server(carry, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, limit: int | None) -> None:
    with contextlib.suppress(OSError):
        while limit != 0 and (data := await reader.read(16_384 if limit is None else min(limit, 16_384))):
            writer.write(data)
            await writer.drain()
            limit = None if limit is None else limit - len(data)
