"""The accounts street at the door: every router of it."""

from __future__ import annotations

from fastapi import APIRouter

from ingest_api.accounts import (
    administration,
    api_keys,
    family,
    invitation_routes,
    mailed,
    profile,
    second_factor,
    session,
    stream_routes,
    webhook_routes,
)

router = APIRouter(tags=["accounts"])
for each in (
    session,
    family,
    mailed,
    second_factor,
    profile,
    api_keys,
    administration,
    invitation_routes,
    webhook_routes,
    stream_routes,
):
    router.include_router(each.router)
