"""ClickHouse's HTTP interface as an ASGI application: who asks, what is asked, and the answer or its error."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from pipeline.embedded.warehouse.body import Body
from pipeline.embedded.warehouse.engine import Engine
from pipeline.embedded.warehouse.errors import WarehouseError, refusal
from pipeline.embedded.warehouse.external import ExternalTable, is_multipart, read_form
from pipeline.embedded.warehouse.job import House, Job
from pipeline.embedded.warehouse.outgoing import Outgoing
from pipeline.embedded.warehouse.pool import Pool
from pipeline.embedded.warehouse.request import Ask, read_request
from pipeline.embedded.warehouse.sessions import Sessions
from pipeline.embedded.warehouse.settings import Limits
from pipeline.embedded.warehouse.users import Account, Role, Throttle, Users

log = logging.getLogger(__name__)
T = TypeVar("T")

DISPLAY_NAME = "thalweg"


class Door:
    """One for the process. Blocking work runs on a role's own threads; what ends statements runs apart, so that it
    never waits behind them."""

    def __init__(self, engine: Engine, limits: Limits, users: Users) -> None:
        self._engine = engine
        self._limits = limits
        self._users = users
        self._throttle = Throttle()
        analysts = limits.for_analyst()
        self._pools = {
            Role.OWNER: Pool(House(engine, Sessions(limits.sessions), limits), limits.workers),
            Role.ANALYST: Pool(House(engine, Sessions(analysts.sessions), analysts), 1),
        }
        self._killers = ThreadPoolExecutor(2, thread_name_prefix="killer")
        self._running: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        query_id = ""
        try:
            if request.method in ("GET", "HEAD") and "query" not in request.query_params:
                await PlainTextResponse("Ok.\n", headers=_headers(""))(scope, receive, send)
                return
            ask = read_request(request.method, request.headers, request.query_params, self._limits)
            query_id = ask.query_id
            account = await self._authenticated(ask)
            self._make_room(request, account)
            await self._answer(request, ask, account, send)
        except WarehouseError as error:
            await _error(error, query_id)(scope, receive, send)
        except ClientDisconnect:
            log.debug("the client of %s went away before its request was whole", query_id)
        except Exception:
            log.exception("query %s failed in the HTTP interface", query_id)
            internal = refusal("UNKNOWN_EXCEPTION", "Internal error of the warehouse process; its log has the reason")
            await _error(internal, query_id)(scope, receive, send)

    def close(self) -> bool:
        """Kills what still runs; True once nothing does, and nothing more can begin."""
        for pool in self._pools.values():
            pool.shutdown()
        self._killers.shutdown(wait=False, cancel_futures=True)
        for query_id in tuple(self._running):
            self._engine.kill(query_id)
        return not self._running

    def end_expired_sessions(self) -> None:
        for pool in self._pools.values():
            pool.house.sessions.end_expired()

    def close_sessions(self) -> None:
        for pool in self._pools.values():
            pool.house.sessions.close()

    def _make_room(self, request: Request, account: Account) -> None:
        connection = request.scope.get("state", {}).get("connection")
        if connection is not None and not connection.proved(account.role):
            raise refusal("TOO_MANY_SIMULTANEOUS_QUERIES", f"Too many connections of user {account.name}")

    async def _authenticated(self, ask: Ask) -> Account:
        user = ask.credentials.user
        account = self._users.authenticate(user, ask.credentials.password)
        if account is None:
            await asyncio.sleep(self._throttle.failed(user))
            raise refusal(
                "AUTHENTICATION_FAILED",
                f"{user}: Authentication failed: password is incorrect, or there is no user with such name",
            )
        return account

    async def _answer(self, request: Request, ask: Ask, account: Account, send: Send) -> None:
        pool = self._pools[account.role]
        limits = pool.house.limits
        body = Body(request, limits, pool.admission)
        try:
            tables: list[ExternalTable] = []
            if is_multipart(request):
                fields, tables = await read_form(body.request(), limits)
                ask = read_request(request.method, request.headers, fields, limits)
                pieces: list[bytes] = []
            else:
                pieces = await body.pieces()
            ask = ask.for_account(account)
            job = Job(pool.house, ask, account, pieces, tables)
            await pool.admission.enter()
            try:
                await self._run(request, ask, job, pool, send)
            finally:
                pool.admission.leave()
        finally:
            body.let_go()

    async def _run(self, request: Request, ask: Ask, job: Job, pool: Pool, send: Send) -> None:
        if ask.query_id in self._running:
            raise refusal("QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING", f"Query with id = {ask.query_id} is already running")
        self._running.add(ask.query_id)
        gone = asyncio.ensure_future(_disconnected(request.receive))
        try:
            await self._unless_gone(gone, ask, pool.readers, job.prepare)
            first = await self._unless_gone(gone, ask, pool.workers, job.begin)
            headers = _headers(ask.query_id) | _result_headers(ask, job)
            outgoing = Outgoing(send, pool.house.limits)
            if job.complete:
                headers |= {"x-clickhouse-summary": job.summary.header(), "content-length": str(len(first))}
                await outgoing.begin(headers)
                await outgoing.whole(first)
                await outgoing.end()
            else:
                await self._stream(ask, job, pool, first, headers, gone, outgoing)
        finally:
            gone.cancel()
            await asyncio.shield(asyncio.to_thread(_closed, job))
            self._running.discard(ask.query_id)

    async def _stream(
        self,
        ask: Ask,
        job: Job,
        pool: Pool,
        first: bytes,
        headers: dict[str, str],
        gone: asyncio.Future[None],
        outgoing: Outgoing,
    ) -> None:
        tag = secrets.token_hex(8)
        await outgoing.begin(headers | {"x-clickhouse-exception-tag": tag})
        piece: bytes | None = first
        while piece is not None:
            if piece:
                await outgoing.piece(piece)
            try:
                piece = await self._unless_gone(gone, ask, pool.workers, job.more)
            except WarehouseError as error:
                await asyncio.to_thread(_closed, job)
                await outgoing.piece(job.last_words(error, tag))
                break
        await outgoing.end()

    async def _unless_gone(
        self, gone: asyncio.Future[None], ask: Ask, threads: ThreadPoolExecutor, call: Callable[[], T]
    ) -> T:
        """The call's result, on one of these threads; when the client leaves first, its statement is killed."""
        work = asyncio.wrap_future(threads.submit(call))
        try:
            await asyncio.wait((work, gone), return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not work.done():
                await asyncio.shield(self._killed(ask.query_id, work))
        if not work.done() or gone.done():
            with contextlib.suppress(WarehouseError):
                await work
            raise ClientDisconnect
        return await work

    async def _killed(self, query_id: str, work: asyncio.Future[T]) -> None:
        """Kills until the call has returned: a statement cannot be seen by KILL before it has begun."""
        while not work.done():
            await asyncio.wrap_future(self._killers.submit(self._engine.kill, query_id))
            await asyncio.wait((work,), timeout=0.2)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _closed(job: Job) -> None:
    try:
        job.close()
    except WarehouseError as error:
        log.debug("after the statement: %s", error)


def _headers(query_id: str) -> dict[str, str]:
    headers = {"x-clickhouse-server-display-name": DISPLAY_NAME, "x-clickhouse-timezone": "UTC"}
    if query_id and query_id.isascii() and query_id.isprintable():
        headers["x-clickhouse-query-id"] = query_id
    return headers


def _result_headers(ask: Ask, job: Job) -> dict[str, str]:
    headers: dict[str, str] = {"content-type": "text/plain; charset=UTF-8"}
    if job.output is not None:
        headers |= {"content-type": job.output.content_type, "x-clickhouse-format": job.output.name}
    if ask.coding and not ask.framed_answer:
        headers |= {"content-encoding": ask.coding, "vary": "accept-encoding"}
    return headers


def _error(error: WarehouseError, query_id: str) -> Response:
    headers = _headers(query_id) | {"x-clickhouse-exception-code": str(error.code)}
    if error.status == 503:
        headers["retry-after"] = "1"
    if error.status == 401:
        headers["www-authenticate"] = 'Basic realm="thalweg"'
    return PlainTextResponse(f"{error}\n", error.status, headers)
