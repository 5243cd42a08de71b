"""The documented limits, and the memory they are kept in."""

from __future__ import annotations

from functools import partial

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest_api import limits
from ingest_api.domains import LIMITS
from ingest_api.limits import OTHERS_PER_MINUTE, BoundedStorage, Standing, address_key
from ingest_api.problems import RateLimited
from tests.doubles.door import ADMIN_PASSWORD, app_with, client_of, served

POINTS = "/api/v1/process_points"
row_for, TABLE = LIMITS.of, LIMITS.by_path
Limiter = partial(limits.Limiter, LIMITS)


class Watch:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.microseconds = 1_700_000_000_000_000

    def __call__(self) -> int:
        return self.microseconds

    def pass_by(self, seconds: float) -> None:
        self.microseconds += int(seconds * 1_000_000)


async def admitted(limiter: limits.Limiter, path: str, caller: str, tries: int) -> int:
    count = 0
    for _ in range(tries):
        try:
            await limiter.admit(path, caller)
            count += 1
        except RateLimited:
            pass
    return count


@pytest.mark.parametrize(
    ("path", "minute", "hour"),
    [
        ("/health", 600, 10_000),
        ("/api/v1/process_points", 100, 2_000),
        ("/api/v1/clusters_summary", 300, 5_000),
        ("/api/v1/algorithm_status", 600, 10_000),
        ("/auth/login", 10, 100),
    ],
)
async def test_the_documented_limits_hold_by_the_minute_and_by_the_hour(path: str, minute: int, hour: int) -> None:
    watch = Watch()
    limiter = Limiter(watch)
    passed = 0
    for _ in range(59):
        this_minute = await admitted(limiter, path, "user:a", minute + 1)
        assert this_minute <= minute
        passed += this_minute
        watch.pass_by(60)
    assert passed == hour
    watch.pass_by(60)
    assert await admitted(limiter, path, "user:a", 1) == 1


async def test_a_standing_is_of_the_window_with_less_left() -> None:
    watch = Watch()
    limiter = Limiter(watch)
    first = await limiter.admit(POINTS, "user:a")
    assert first == Standing(100, 99, 1_700_000_060.0, 60)
    for _ in range(20):
        await admitted(limiter, POINTS, "user:a", 99)
        watch.pass_by(60)
    late = await limiter.admit(POINTS, "user:a")
    assert late is not None
    assert (late.limit, late.remaining, late.window) == (2000, 18, 3600)


async def test_a_refusal_says_which_window_and_when_to_come_back() -> None:
    watch = Watch()
    limiter = Limiter(watch)
    await admitted(limiter, POINTS, "user:a", 100)
    watch.pass_by(14.5)
    with pytest.raises(RateLimited) as refused:
        await limiter.admit(POINTS, "user:a")
    assert refused.value.details == {"limit": 100, "window": "60s", "retry_after": 46}
    assert refused.value.headers == {
        "X-RateLimit-Limit": "100",
        "X-RateLimit-Remaining": "0",
        "X-RateLimit-Reset": "1700000060",
        "X-RateLimit-Window": "60",
        "Retry-After": "46",
    }
    watch.pass_by(46)
    assert await limiter.admit(POINTS, "user:a") is not None


async def test_a_refused_request_does_not_count_against_the_hour() -> None:
    watch = Watch()
    limiter = Limiter(watch)
    await admitted(limiter, POINTS, "user:a", 5_000)
    watch.pass_by(60)
    assert await admitted(limiter, POINTS, "user:a", 200) == 100


async def test_callers_and_endpoints_do_not_share_but_batches_share_with_points() -> None:
    limiter = Limiter(Watch())
    assert await admitted(limiter, POINTS, "user:a", 60) == 60
    assert await admitted(limiter, "/api/v1/process_batch", "user:a", 60) == 40
    assert await admitted(limiter, POINTS, "user:b", 60) == 60
    assert await admitted(limiter, "/api/v1/clusters_summary", "user:a", 60) == 60


async def test_a_factor_scales_and_zero_switches_off() -> None:
    assert await admitted(Limiter(Watch(), 2.5), POINTS, "user:a", 300) == 250
    assert await admitted(Limiter(Watch(), 0), POINTS, "user:a", 300) == 300
    assert await Limiter(Watch(), 0).admit(POINTS, "user:a") is None


def test_what_the_table_does_not_name_has_a_row_of_its_own() -> None:
    assert row_for("/subjects").per_minute == OTHERS_PER_MINUTE
    assert row_for("/subjects").name != row_for("/mode").name
    assert all(row_for(path) is row for path, row in TABLE.items())


def test_the_routes_of_a_family_share_what_it_documents() -> None:
    assert row_for("/api/detectors") == row_for("/api/admin/users")
    assert (row_for("/api/webhooks").per_minute, row_for("/api/webhooks").burst) == (100, 20)
    assert row_for("/api/users/profile") == row_for("/api/nodes")
    assert row_for("/api/users/profile").per_minute == 100
    assert row_for("/api/tasks").per_minute == 10


async def test_a_burst_ends_before_the_minute_does() -> None:
    clock = Watch()
    limiter = Limiter(clock)
    for _ in range(20):
        await limiter.admit("/api/detectors", "user:a")
    with pytest.raises(RateLimited) as refused:
        await limiter.admit("/api/webhooks", "user:a")
    assert refused.value.retry_after <= 10
    clock.pass_by(11)
    await limiter.admit("/api/detectors", "user:a")


async def test_a_flood_of_callers_takes_no_more_memory_than_the_capacity() -> None:
    limiter = Limiter(Watch(), capacity=100)
    for number in range(1_000):
        await limiter.admit(POINTS, f"user:{number}")
    assert len(limiter._storage) == 100


async def test_the_window_longest_unused_is_forgotten_first() -> None:
    storage = BoundedStorage(Watch(), capacity=2)
    await storage.incr("a", 60)
    await storage.incr("b", 60)
    await storage.incr("a", 60)
    await storage.incr("c", 60)
    assert [await storage.get(key) for key in "abc"] == [2, 0, 1]


@given(st.lists(st.tuples(st.sampled_from("ab"), st.floats(0, 50)), max_size=60))
async def test_no_window_ever_admits_more_than_its_limit(requests: list[tuple[str, float]]) -> None:
    watch = Watch()
    limiter = Limiter(watch, 0.05)
    windows: dict[str, tuple[float, int]] = {}
    for caller, pause in requests:
        watch.pass_by(pause)
        try:
            standing = await limiter.admit(POINTS, caller)
        except RateLimited:
            continue
        assert standing is not None
        now = watch() / 1_000_000
        start, count = windows.get(caller, (now, 0))
        windows[caller] = (now, 1) if now - start >= 60 else (start, count + 1)
        assert windows[caller][1] <= 5


@pytest.mark.parametrize(
    ("host", "key"),
    [
        ("192.0.2.7", "address:192.0.2.7"),
        ("::ffff:192.0.2.7", "address:192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "address:2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", "address:2001:db8:1:2::/64"),
        (None, "address:unknown"),
        ("unix", "address:unknown"),
    ],
)
def test_an_address_stands_for_one_subscriber(host: str | None, key: str) -> None:
    assert address_key(host) == key


async def test_over_http_the_headers_count_down_and_the_refusal_has_the_documented_body() -> None:
    async with client_of(app_with(rate_limits=1)) as http:
        for left in range(9, -1, -1):
            # Each time another: five failures of one user end earlier (throttle.py).
            answer = await http.post("/auth/login", data={"username": f"nobody{left}", "password": "wrong"})
            assert answer.status_code == 401
            assert answer.headers["X-RateLimit-Remaining"] == str(left)
        refused = await http.post("/auth/login", data={"username": "admin", "password": ADMIN_PASSWORD})
    assert refused.status_code == 429
    error = refused.json()["error"]
    assert error["code"] == "RATE_LIMIT_ERROR"
    assert error["message"] == "Rate limit exceeded"
    assert error["details"] == {"limit": 10, "window": "60s", "retry_after": error["retry_after"]}
    assert refused.headers["Retry-After"] == str(error["retry_after"])


async def test_strangers_are_counted_by_address() -> None:
    app = app_with(rate_limits=1)
    async with client_of(app, client=("192.0.2.1", 1)) as http:
        for number in range(10):
            await http.post("/auth/login", data={"username": f"a{number}", "password": "b"})
        assert (await http.post("/auth/login", data={"username": "a", "password": "b"})).status_code == 429
        http._transport.client = ("192.0.2.2", 1)  # type: ignore[attr-defined]
        assert (await http.post("/auth/login", data={"username": "a", "password": "b"})).status_code == 401


@pytest.mark.parametrize(("proxies", "statuses"), [((), [401, 429]), (("127.0.0.0/8",), [401, 401])])
async def test_a_forwarded_address_counts_only_from_a_trusted_proxy(
    proxies: tuple[str, ...], statuses: list[int]
) -> None:
    app = app_with(rate_limits=0.1, trusted_proxies=proxies)
    async with served(app, app.state.wiring.settings) as (host, port), httpx.AsyncClient() as http:
        answers = [
            await http.post(
                f"http://{host}:{port}/auth/login",
                data={"username": "admin", "password": "wrong"},
                headers={"X-Forwarded-For": address},
            )
            for address in ("192.0.2.1", "192.0.2.2")
        ]
    assert [answer.status_code for answer in answers] == statuses
