"""What a point and its configuration may be: one truth for the door, the workers and the documents."""

from __future__ import annotations

import re

STREAM_PATTERN = r"[A-Za-z0-9._:-]{1,128}"
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
