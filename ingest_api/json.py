"""JSON out: every answer of the API is written here."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from starlette.responses import JSONResponse


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"a {type(value).__name__} has no JSON form")


_ENCODER = msgspec.json.Encoder(enc_hook=_plain)


def encode(content: Any) -> bytes:
    """UTF-8 JSON of plain values, dataclasses, msgspec structs and numpy arrays.

    JSON has no NaN and no infinity: they are written as null. Raises TypeError for what has no JSON form.
    """
    return _ENCODER.encode(content)


class Json(JSONResponse):
    """An answer in JSON. Routes return it themselves, so that FastAPI does not walk the content a second time."""

    def render(self, content: Any) -> bytes:
        return encode(content)
