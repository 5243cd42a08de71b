"""The API's description as a page: whole without the internet, and under a policy that lets nothing else in."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.doubles.door import app_with, client_of


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app_with()) as client:
        yield client


async def test_the_page_and_all_that_it_needs_come_from_here(http: httpx.AsyncClient) -> None:
    page = await http.get("/docs")
    needed = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(needed) >= 4
    for address in needed:
        assert address.startswith("/")
        part = await http.get(address)
        assert part.status_code == 200, address
        assert part.headers["X-Content-Type-Options"] == "nosniff"
    start = (await http.get("/docs/start.js")).text
    assert '"/openapi.json"' in start
    assert "http" not in page.text + start
    assert 'validatorUrl: "none"' in start, "Swagger UI would ask a validator of its makers"
    assert (await http.get("/docs/swagger-ui-bundle.js")).headers["Content-Type"].startswith("text/javascript")


async def test_the_page_lets_in_no_other_origin_and_no_script_in_it(http: httpx.AsyncClient) -> None:
    page = await http.get("/docs")
    policy = dict(part.strip().split(" ", 1) for part in page.headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", page.text)


@pytest.mark.parametrize("name", ["nothing.js", "..%2fcore.py", "redoc.standalone.js"])
async def test_nothing_else_is_given_out(name: str, http: httpx.AsyncClient) -> None:
    assert (await http.get(f"/docs/{name}")).status_code == 404
