"""A client of the ingest API, as polite as its limits ask."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import httpx
from httpx_sse import ServerSentEvent

from pipeline.cli.eventstream import follow
from pipeline.errors import Failure, Misconfigured, Unavailable

MAX_ATTEMPTS = 8
MAX_WAIT_SECONDS = 120.0
"""What one request may be told to wait in all: an hourly limit that is used up is not waited for."""
BUSY = frozenset({429, 502, 503})
Told = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Credential:
    """An API key, or else a user and a password. `repr` keeps them out of logs."""

    user: str
    password: str
    api_key: str | None = None

    def __repr__(self) -> str:
        return f"Credential({'an API key' if self.api_key else self.user})"


class Api:
    """Use it as a context manager: it logs in on entry. Raises Misconfigured for what the operator must mend,
    Unavailable where nobody answers; `told` hears why it waits."""

    def __init__(self, url: str, credential: Credential, told: Told) -> None:
        self._url, self._credential, self._told = url.rstrip("/"), credential, told
        try:
            self._client = httpx.AsyncClient(base_url=self._url, timeout=httpx.Timeout(10, read=60))
        except httpx.InvalidURL as error:
            raise Misconfigured(f"{url} is no URL: {error}") from error

    async def __aenter__(self) -> Api:
        try:
            self._client.headers.update(await self._authorization())
        except BaseException:
            await self._client.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def streams(self) -> set[str]:
        """The names of the streams there are."""
        listed = await self._ask("GET", "/api/v1/streams")
        return {entry["stream"] for entry in listed["streams"]}

    async def process(self, stream: str, points: list[list[float]], key: str) -> Any:
        """The answer of process_points. Tried again under the same idempotency key, so that it counts once."""
        return await self._ask(
            "POST", "/api/v1/process_points", {"stream": stream, "points": points}, {"Idempotency-Key": key}
        )

    def events(self, stream: str) -> AsyncIterator[ServerSentEvent]:
        """The stream's clusters, drift and outliers, live."""
        return follow(self._client, "/api/v1/events", {"topics": "clusters,drift,outliers", "stream": stream})

    async def _authorization(self) -> dict[str, str]:
        if self._credential.api_key:
            return {"X-API-Key": self._credential.api_key}
        login = {"username": self._credential.user, "password": self._credential.password}
        answer = await self._ask("POST", "/auth/login", login)
        return {"Authorization": f"Bearer {answer['access_token']}"}

    async def _ask(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Any:
        waited = 0.0
        for attempt in range(MAX_ATTEMPTS):
            try:
                response = await self._client.request(method, path, json=body, headers=headers)
            except httpx.ConnectError as error:
                raise Unavailable(
                    f"no API answers at {self._url}: start it with `thalweg up`, or name yours with --url or "
                    "THALWEG_API_URL"
                ) from error
            except httpx.TransportError as error:
                reason, pause = f"the connection broke ({error!r})", 2.0**attempt
            else:
                if response.status_code not in BUSY:
                    return self._content(response)
                reason, pause = f"the API says {response.status_code}", _retry_after(response, 2.0**attempt)
            waited += pause
            if waited > MAX_WAIT_SECONDS:
                break
            self._told(f"{reason}; trying again in {pause:.0f} s")
            await asyncio.sleep(pause)
        raise Unavailable(f"{self._url}{path}: {reason}, and again after {waited:.0f} s: try later")

    def _content(self, response: httpx.Response) -> Any:
        if response.status_code == 401:
            raise Misconfigured(
                f"{self._url} does not let us in: pass --user and --password, or --api-key (THALWEG_API_KEY)"
            )
        if not response.is_success:
            raise Failure(
                f"{response.request.method} {response.request.url.path}: {response.status_code}, {_said(response)}"
            )
        try:
            return response.json()
        except ValueError as error:
            raise Misconfigured(f"{self._url} answers, but not as our API does") from error


def _retry_after(response: httpx.Response, otherwise: float) -> float:
    """Seconds, of a whole number (RFC 9110, 10.2.3); a date is not what our API sends."""
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isascii() and text.isdigit() else otherwise


def _said(response: httpx.Response) -> str:
    try:
        return str(response.json()["detail"])[:300]
    except (ValueError, KeyError, TypeError):
        return response.reason_phrase
