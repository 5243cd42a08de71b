"""From the log into the tables, every record exactly once: `python -m pipeline.warehouse.archive`."""
