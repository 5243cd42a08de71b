"""What no answer says: where files lie, what it is made of, what Python calls it."""

from __future__ import annotations

import re

INSIDE = re.compile(
    r"Traceback|File \"|\.py\b|site-packages|/tmp/|/root/|/home/|0x[0-9a-f]{8}|librdkafka|confluent|clickhouse|chdb"
    r"|pydantic|msgspec|fastavro|sys\.|\b(Value|Type|Key|Attribute|Index|Recursion|Unicode\w+)Error\b",
    re.IGNORECASE,
)
