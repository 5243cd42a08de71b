"""All routes of the street."""

from __future__ import annotations

from fastapi import APIRouter

from ingest_api.clustering import figures, points, stream

router = APIRouter()
router.include_router(points.router)
router.include_router(figures.router)
router.include_router(stream.router)
