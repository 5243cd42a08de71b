"""The process's log: one plain line an event, on stderr, without the secrets that addresses may carry."""

from __future__ import annotations

import logging
import re
from typing import Any

_SECRET = re.compile(r"((?:^|[?&\s])(?:token|api_key|ticket|access_token)=)[^&\s\"']+", re.IGNORECASE)


class Scrubber(logging.Filter):
    """Blanks credentials in query strings, wherever a library wrote them: the WebSocket server logs addresses."""

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        scrubbed = scrub(message)
        if scrubbed != message:
            record.msg, record.args = scrubbed, ()
        return True


def scrub(text: str) -> str:
    return _SECRET.sub(r"\1***", text)


CONFIG: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"scrub": {"()": Scrubber}},
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["scrub"]},
    },
    "root": {"level": "WARNING", "handlers": ["stderr"]},
    "loggers": {
        "thalweg": {"level": "INFO"},
        "uvicorn": {"level": "INFO"},
        "uvicorn.access": {"level": "WARNING"},
    },
}
"""For logging.config.dictConfig. Requests are logged by thalweg.access, not by uvicorn."""
