"""River's clusterers as bytes: pickled, and unpickled with nothing but their own classes allowed."""

from __future__ import annotations

import io
import pickle
import random
import types
from collections.abc import Callable
from typing import Any

from pipeline.learning.checkpoint import SnapshotError

_ALLOWED = frozenset(
    {
        ("collections", "defaultdict"),
        ("collections", "deque"),
        ("copyreg", "_reconstructor"),
        ("copyreg", "__newobj__"),
        ("builtins", "object"),
        ("functools", "partial"),
        ("random", "Random"),
        (__name__, "gaussian"),
        ("river.cluster.dbstream", "DBSTREAM"),
        ("river.cluster.dbstream", "DBSTREAMMicroCluster"),
        ("river.cluster.clustream", "CluStream"),
        ("river.cluster.clustream", "CluStreamMicroCluster"),
        ("river.cluster.k_means", "KMeans"),
        ("river.cluster.streamkmeans", "STREAMKMeans"),
        ("river.cluster.denstream", "DenStream"),
        ("river.cluster.denstream", "DenStream.BufferItem"),
        ("river.cluster.denstream", "DenStreamMicroCluster"),
        ("river.stats.var", "Var"),
        ("river.stats.mean", "Mean"),
    }
)


def gaussian(source: random.Random) -> Callable[..., float]:
    """The generator's method that KMeans draws its first centres with; named so that no `getattr` is unpickled."""
    return source.gauss


class _Pickler(pickle.Pickler):
    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, types.MethodType) and isinstance(obj.__self__, random.Random) and obj.__name__ == "gauss":
            return gaussian, (obj.__self__,)
        return NotImplemented


class _Unpickler(pickle.Unpickler):
    def find_class(self, module_name: str, global_name: str) -> Any:
        if (module_name, global_name) not in _ALLOWED:
            raise SnapshotError(f"the snapshot asks for {module_name}.{global_name}, which no clusterer consists of")
        return super().find_class(module_name, global_name)


def dumps(value: Any) -> bytes:
    """`value` pickled, protocol 5."""
    buffer = io.BytesIO()
    _Pickler(buffer, protocol=5).dump(value)
    return buffer.getvalue()


def loads(data: bytes) -> Any:
    """What was pickled. Raises SnapshotError when it asks for a class that no clusterer consists of, or is damaged."""
    try:
        return _Unpickler(io.BytesIO(data)).load()
    except SnapshotError:
        raise
    except Exception as error:  # a damaged pickle raises nearly anything
        raise SnapshotError("the snapshot of the River clusterer cannot be read") from error
