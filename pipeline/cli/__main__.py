"""`python -m pipeline.cli` is `thalweg`."""

from __future__ import annotations

from pipeline.cli.app import main

main()
