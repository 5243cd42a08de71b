"""How long a column's data are in the format Native: walkers over each of the engine's types.

A column is a prefix (of it and of all types within), then its data. So a type is a function of a cursor that takes
the prefix and returns a function of the number of rows that takes the data.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

from pipeline.embedded.warehouse.cursor import Cursor, Unwalkable
from pipeline.embedded.warehouse.type_names import fields, parsed

Data = Callable[[int], None]
Column = Callable[[Cursor], Data]

_DEEPEST = 64
_NULL_DISCRIMINATOR = 0xFF
_ADDITIONAL_KEYS, _GLOBAL_DICTIONARY = 1 << 9, 1 << 8
_BASIC = 0
_DYNAMIC_VERSIONS = {1: True, 2: False, 4: False}
"""Structure version of Dynamic: whether the greatest number of types follows it. Flattened ones are read apart."""
_FLATTENED = 3
_JSON_VERSIONS = {0: True, 2: False, 4: False}
_JSON_AS_STRING = 1

_SIZES = {
    "Bool": 1, "Int8": 1, "UInt8": 1, "Enum8": 1, "Nothing": 1,
    "Int16": 2, "UInt16": 2, "Enum16": 2, "Date": 2, "BFloat16": 2,
    "Int32": 4, "UInt32": 4, "Float32": 4, "Date32": 4, "DateTime": 4, "Time": 4, "IPv4": 4, "Decimal32": 4,
    "Int64": 8, "UInt64": 8, "Float64": 8, "DateTime64": 8, "Time64": 8, "Decimal64": 8,
    "Int128": 16, "UInt128": 16, "UUID": 16, "IPv6": 16, "Decimal128": 16,
    "Int256": 32, "UInt256": 32, "Decimal256": 32,
}  # fmt: skip
_ALIASES = {
    "Point": "Tuple(Float64, Float64)",
    "Ring": "Array(Point)",
    "LineString": "Array(Point)",
    "MultiPoint": "Array(Point)",
    "Polygon": "Array(Ring)",
    "MultiLineString": "Array(LineString)",
    "MultiPolygon": "Array(Polygon)",
    "Geometry": "Variant(LineString, MultiLineString, MultiPolygon, Point, Polygon, Ring)",
}
_DECIMAL_SIZES = ((9, 4), (18, 8), (38, 16), (76, 32))


@lru_cache(maxsize=1024)
def column(kind: str, depth: int = 0) -> Column:
    """The walker of a type, by the name that the engine gives it. Raises Unwalkable."""
    if depth > _DEEPEST:
        raise Unwalkable("its type is nested too deeply")
    name, arguments = parsed(kind)
    if name in _ALIASES:
        return column(_ALIASES[name], depth + 1)
    size = _size(name, arguments)
    if size is not None:
        return _fixed(size)
    if name == "String":
        return _strings
    if name in ("Dynamic", "JSON", "Object"):
        return _dynamic if name == "Dynamic" else _json(arguments, depth)
    if name not in _COMPOSED:
        raise Unwalkable("the length of its data is not known here")
    inner = arguments[-1:] if name == "SimpleAggregateFunction" else _element_types(name, arguments)
    return _COMPOSED[name]([column(each, depth + 1) for each in inner])


def _size(name: str, arguments: Sequence[str]) -> int | None:
    if name in _SIZES:
        return _SIZES[name]
    if name.startswith("Interval"):
        return 8
    if name == "FixedString":
        return int(arguments[0])
    if name == "Decimal":
        return next(size for precision, size in _DECIMAL_SIZES if int(arguments[0]) <= precision)
    if name == "QBit":
        return 8 * _SIZES[arguments[0]] * -(-int(arguments[1]) // 8)
    return None


def _element_types(name: str, arguments: Sequence[str]) -> list[str]:
    if name == "LowCardinality":
        # The dictionary's keys are of the type within Nullable.
        inner, within = parsed(arguments[0])
        return [within[0] if inner == "Nullable" else arguments[0]]
    return [kind for _, kind in fields(arguments)] if name in ("Tuple", "Nested") else list(arguments)


def _fixed(size: int) -> Column:
    return lambda cursor: lambda rows: cursor.skip(size * rows)


def _strings(cursor: Cursor) -> Data:
    return cursor.skip_texts


def _tuple(elements: Sequence[Column]) -> Column:
    def prefix(cursor: Cursor) -> Data:
        within = [element(cursor) for element in elements]

        def data(rows: int) -> None:
            for element in within:
                element(rows)
            if not within:
                cursor.skip(rows)

        return data

    return prefix


def _array(elements: Sequence[Column]) -> Column:
    """Of one type, or of tuples of several: Map and Nested are written as such."""
    element = elements[0] if len(elements) == 1 else _tuple(elements)

    def prefix(cursor: Cursor) -> Data:
        within = element(cursor)

        def data(rows: int) -> None:
            if rows:
                cursor.skip(8 * (rows - 1))
                within(cursor.fixed())

        return data

    return prefix


def _nullable(elements: Sequence[Column]) -> Column:
    def prefix(cursor: Cursor) -> Data:
        within = elements[0](cursor)

        def data(rows: int) -> None:
            cursor.skip(rows)
            within(rows)

        return data

    return prefix


def _low_cardinality(elements: Sequence[Column]) -> Column:
    def prefix(cursor: Cursor) -> Data:
        cursor.skip(8)
        keys = elements[0](cursor)

        def data(rows: int) -> None:
            while rows > 0:
                flags = cursor.fixed()
                if flags & _GLOBAL_DICTIONARY:
                    raise Unwalkable("its dictionary is kept apart")
                if flags & _ADDITIONAL_KEYS:
                    keys(cursor.fixed())
                count = cursor.fixed()
                cursor.skip(count << (flags & 0xFF))
                rows -= max(count, 1)

        return data

    return prefix


def _variant(elements: Sequence[Column]) -> Column:
    def prefix(cursor: Cursor) -> Data:
        if cursor.fixed() != _BASIC:
            raise Unwalkable("its discriminators are compact")
        within = [element(cursor) for element in elements]

        def data(rows: int) -> None:
            discriminators = cursor.take(rows)
            for number, element in enumerate(within):
                element(discriminators.count(number))

        return data

    return prefix


def _dynamic(cursor: Cursor) -> Data:
    version = cursor.fixed()
    if version not in _DYNAMIC_VERSIONS:
        return _flattened(cursor) if version == _FLATTENED else _unknown(f"Dynamic of version {version}")
    if _DYNAMIC_VERSIONS[version]:
        cursor.number()
    kinds = [cursor.text() for _ in range(cursor.number())]
    # What fits none of the types is a string, in a variant of its own among the others, by its name's place.
    kinds = sorted([*kinds, "SharedVariant"])
    return _variant([_strings if kind == "SharedVariant" else column(kind) for kind in kinds])(cursor)


def _flattened(cursor: Cursor) -> Data:
    kinds = [cursor.text() for _ in range(cursor.number())]
    within = [column(kind)(cursor) for kind in kinds]
    width = next(size for size in (1, 2, 4, 8) if len(kinds) < 1 << 8 * size)

    def data(rows: int) -> None:
        indexes = cursor.take(width * rows)
        counts = [0] * (len(kinds) + 1)
        for at in range(0, len(indexes), width):
            counts[int.from_bytes(indexes[at : at + width], "little")] += 1
        for element, count in zip(within, counts, strict=False):
            element(count)

    return data


def _json(arguments: Sequence[str], depth: int) -> Column:
    typed = sorted(
        (name, kind)
        for name, kind in fields(argument for argument in arguments if "=" not in argument)
        if name not in ("", "SKIP")
    )
    paths = [column(kind, depth + 1) for _, kind in typed]

    def prefix(cursor: Cursor) -> Data:
        version = cursor.fixed()
        if version == _JSON_AS_STRING:
            return cursor.skip_texts
        if version not in (*_JSON_VERSIONS, _FLATTENED):
            return _unknown(f"JSON of version {version}")
        if _JSON_VERSIONS.get(version):
            cursor.number()
        dynamic = [cursor.text() for _ in range(cursor.number())]
        within = [path(cursor) for path in paths] + [_dynamic(cursor) for _ in dynamic]
        if version != _FLATTENED:
            within.append(_array([_strings, _strings])(cursor))

        def data(rows: int) -> None:
            for path in within:
                path(rows)

        return data

    return prefix


def _unknown(what: str) -> Data:
    raise Unwalkable(f"{what} is not known here")


_COMPOSED: dict[str, Callable[[Sequence[Column]], Column]] = {
    "Array": _array,
    "Map": _array,
    "Nested": lambda elements: _array([_tuple(elements)]),
    "Tuple": _tuple,
    "Nullable": _nullable,
    "LowCardinality": _low_cardinality,
    "Variant": _variant,
    "SimpleAggregateFunction": lambda elements: elements[0],
}
