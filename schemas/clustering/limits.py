"""What a point and its configuration may be: one truth for the door, the workers and the documents."""

from __future__ import annotations

import re

STREAM_PATTERN = (
    r"(?:[A-Za-z0-9_:-][A-Za-z0-9._:-]{0,127}|\.[A-Za-z0-9_:-][A-Za-z0-9._:-]{0,126}|\.\.[A-Za-z0-9._:-]{1,126})"
)
"""1 to 128 of these, but neither `.` nor `..`: clients take such steps out of an address before they send it (RFC 3986,
5.2.4), so that nobody could ask for the stream. Written without looking ahead, which not every regular expression can.
"""
STREAM_TOLD = "1 to 128 of A-Z a-z 0-9 . _ : - and neither . nor .."
STREAM = re.compile(STREAM_PATTERN)
DEFAULT_STREAM = "default"

MAX_DIMENSION = 1000
MAX_POINTS = 10_000
MAX_BATCH_ID = 256
MAX_METADATA_BYTES = 10 * 1024

THRESHOLD = (0.1, 1.0)
MAX_CLUSTERS = (1, 100)
LEARNING_RATE = (0.01, 0.2)

MAX_CHUNK_BYTES = 512 * 1024
"""Values of one record; the door splits what is larger into consecutive records."""
