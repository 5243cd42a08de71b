"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DataDir = Annotated[
    Path, typer.Option("--data-dir", envvar="THALWEG_DATA_DIR", help="Where everything is kept.", file_okay=False)
]
DEFAULT_DATA_DIR = Path(".thalweg")
