"""What a reader may set: the settings profile `reader`, whose constraints the engine itself holds.

As with `readonly=2` a reader changes settings, but only those named here: how results look and how a driver speaks,
and limits, which may be lowered and never raised. Every other setting of the engine is constant for him; a value that
is in force already passes. system.settings says the same (`readonly`, `min`, `max`), which some drivers go by.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from xml.sax.saxutils import escape

from pipeline.embedded.warehouse.errors import refusal
from pipeline.embedded.warehouse.refusals import is_refused_setting
from pipeline.embedded.warehouse.settings import Limits

READER = "reader"

# How results look and how data brought along are read; what drivers send with every request; what only writers have.
_FREE = re.compile(
    r"output_format_\w+|input_format_\w+|format_(?:csv|tsv|custom)_\w+|bool_(?:true|false)_representation"
    r"|date_time_\w+|interval_output_format|cast_\w+|session_timezone|extremes|limit|offset|low_cardinality_allow_\w+"
    r"|join_use_nulls|join_default_strictness|group_by_use_nulls|transform_null_in|union_default_mode|final"
    r"|aggregate_functions_null_for_empty|empty_result_for_\w+|totals_mode|count_distinct_implementation"
    r"|prefer_column_name_to_alias|asterisk_include_\w+|describe_\w+|print_pretty_type_names|result_overflow_mode"
    r"|async_insert(?:_\w+)?|wait_for_async_insert(?:_timeout)?|insert_deduplicate"
    r"|connect_timeout|receive_timeout|send_timeout|http_(?:connection|receive|send)_timeout|send_logs_level"
    r"|cancel_http_readonly_queries_on_client_close|enable_http_compression|http_zlib_compression_level"
    r"|send_progress_in_http_headers|http_headers_progress_interval_ms|add_http_cors_header"
    r"|http_write_exception_in_output_format|http_response_buffer_size|http_wait_end_of_query"
    r"|network_compression_method|network_zstd_compression_level"
)
# May be lowered from the engine's own value; where that is 0, no limit, any value lowers it.
_LOWERED = re.compile(
    r"max_block_size|max_query_size|max_ast_depth|max_ast_elements|max_expanded_ast_elements|max_parser_depth"
    r"|max_subquery_depth|max_analyze_depth|max_columns_to_read|max_temporary(?:_non_const)?_columns"
    r"|max_(?:rows|bytes)_(?:to_read|to_group_by|to_sort|to_transfer|in_set|in_join|in_distinct)"
)
_SHORTEST = "0.001"


def in_force(limits: Limits) -> dict[str, str]:
    """A reader's bounds, to be set before the profile is."""
    return {
        "max_execution_time": str(limits.analyst_time),
        "max_memory_usage": str(limits.analyst_memory),
        "max_result_rows": str(limits.analyst_rows),
    }


def asked(settings: Mapping[str, str], limits: Limits) -> dict[str, str]:
    """A reader's own settings, as the engine is told. Drivers send the time that they will wait, and a reader who
    waits longer than his bound is no harm: such a max_execution_time stays what it is. So does `readonly`, which some
    always send. Raises READONLY for one of 0."""
    told = dict(settings)
    if told.pop("readonly", "2") not in ("1", "2"):
        raise refusal("READONLY", "Cannot modify 'readonly' setting in readonly mode")
    if "max_execution_time" in told and not _is_within(told["max_execution_time"], limits.analyst_time):
        del told["max_execution_time"]
    return told


def profile(values: Mapping[str, str], limits: Limits) -> str:
    """The profile for users.xml. `values` are all settings of the engine, with its own values."""
    bounds = {
        **{name: ("1", value) for name, value in values.items() if _LOWERED.fullmatch(name) and value != "0"},
        "max_execution_time": (_SHORTEST, str(limits.analyst_time)),
        "max_memory_usage": ("1", str(limits.analyst_memory)),
        "max_result_rows": ("1", str(limits.analyst_rows)),
        "max_result_bytes": ("1", str(limits.result)),
        "max_threads": ("1", str(os.cpu_count() or 1)),
        "readonly": ("2", "2"),
    }
    constraints = [
        _constraint(name, bounds.get(name)) for name in values if name in bounds or not is_free(name, values)
    ]
    return f"<{READER}><constraints>{''.join(constraints)}</constraints></{READER}>"


def is_free(name: str, values: Mapping[str, str]) -> bool:
    """Whether a reader may set it to whatever he likes."""
    if is_refused_setting(name):
        return False
    return bool(_FREE.fullmatch(name)) or (bool(_LOWERED.fullmatch(name)) and values[name] == "0")


def _constraint(name: str, bounds: tuple[str, str] | None) -> str:
    if bounds is None:
        return f"<{name}><readonly/></{name}>"
    least, most = map(escape, bounds)
    return f"<{name}><min>{least}</min><max>{most}</max></{name}>"


def _is_within(value: str, most: int) -> bool:
    """Zero is no bound at all, so it is not within one."""
    try:
        return 0 < float(value) <= most
    except ValueError:
        return True  # for the engine to refuse
