"""Where the kernel's machine code is kept, and for which processor it is made."""

from __future__ import annotations

import logging
import platform
import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numba
from numba.core.caching import CompileResultCacheImpl, FunctionCache, _Cache, _CacheLocator
from numba.core.codegen import get_host_cpu_features
from numba.misc.appdirs import AppDirs

log = logging.getLogger(__name__)
config: Any = numba.config

PORTABLE = "x86-64-v3"
"""The level of the x86-64 psABI that servers have had since 2013 (Intel) and 2015 (AMD)."""
NEEDED = frozenset(
    {"avx", "avx2", "bmi", "bmi2", "cmov", "cx16", "cx8", "f16c", "fma", "fxsr", "lzcnt", "movbe", "popcnt", "sahf"}
    | {"sse", "sse2", "sse3", "sse4.1", "sse4.2", "ssse3"}
)
"""What that level has, by LLVM's names."""


class KernelCache(_Cache):
    """Reads from the first folder that has the code, and keeps it in the first that takes it.

    numba's own cache files code by the path of its source, and reads only where it may also write: code that was
    compiled before the package was installed, or that lies on a read-only disk, is never found. Here it is filed by
    `stamp`, the fingerprint of the sources, and may lie anywhere.
    """

    def __init__(self, function: Callable[..., Any], stamp: int, folders: Iterable[Path]) -> None:
        self._caches: list[Any] = [_Folder(function, stamp, folder) for folder in folders]

    @property
    def cache_path(self) -> Any:
        """The first of the folders."""
        return self._caches[0].cache_path if self._caches else None

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        for cache in self._caches:
            try:
                found = cache.load_overload(sig, target_context)
            except OSError as error:
                log.debug("%s cannot be read: %s", cache.cache_path, error)
                continue
            if found is not None:
                return found
        return None

    def save_overload(self, sig: Any, data: Any) -> None:
        for cache in self._caches:
            try:
                cache.save_overload(sig, data)
            except OSError as error:
                log.debug("%s takes no machine code: %s", cache.cache_path, error)
            else:
                return
        log.warning("nothing takes the kernel's machine code, so each process compiles it: set NUMBA_CACHE_DIR")

    def enable(self) -> None:
        for cache in self._caches:
            cache.enable()

    def disable(self) -> None:
        for cache in self._caches:
            cache.disable()

    def flush(self) -> None:
        """Forgets what is kept. A folder that cannot be changed is passed over from now on."""
        for cache in list(self._caches):
            try:
                cache.flush()
            except FileNotFoundError:
                pass  # there is no such folder yet
            except OSError:
                self._caches.remove(cache)


class _Folder(FunctionCache):
    def __init__(self, function: Callable[..., Any], stamp: int, folder: Path) -> None:
        made: Any = partial(_Filed, locator=_Locator(folder, stamp))
        self._impl_class = made
        super().__init__(function)  # type: ignore[no-untyped-call]


class _Filed(CompileResultCacheImpl):
    def __init__(self, function: Callable[..., Any], locator: _Locator) -> None:
        self._lineno = function.__code__.co_firstlineno
        self._locator = locator
        filed_under: Any = self.get_filename_base
        self._filename_base = filed_under(f"kernel.{function.__name__}", sys.abiflags)


class _Locator(_CacheLocator):
    def __init__(self, folder: Path, stamp: int) -> None:
        self._folder, self._stamp = folder, stamp

    def get_cache_path(self) -> str:
        return str(self._folder)

    def get_source_stamp(self) -> int:
        return self._stamp

    def get_disambiguator(self) -> str:
        return f"{self._stamp:014x}"


def folders() -> list[Path]:
    """NUMBA_CACHE_DIR where it is set, then beside the sources, then the user's cache."""
    told = [Path(config.CACHE_DIR)] if config.CACHE_DIR else []
    user: Any = AppDirs(appname="thalweg", appauthor=False)  # type: ignore[no-untyped-call]
    users = Path(user.user_cache_dir) / "kernel"  # relative where nobody says which home is the user's
    return [*told, Path(__file__).parent / "__pycache__", *([users] if users.is_absolute() else [])]


def settle_processor(features: frozenset[str] | None = None) -> None:
    """Before anything is compiled: where NUMBA_CPU_NAME asks for PORTABLE, the code has that level's instructions and
    no others, so that it runs on any processor of the level; one below it gets code of its own. `features` are this
    processor's unless told."""
    if config.CPU_NAME != PORTABLE:
        return
    missing = NEEDED - (_features() if features is None else features)
    if missing:
        log.warning("this processor is not %s: the kernel is compiled for it alone", PORTABLE)
        config.CPU_NAME = config.CPU_FEATURES = None
    elif config.CPU_FEATURES is None:
        config.CPU_FEATURES = ""


def _features() -> frozenset[str]:
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return frozenset()
    told: Any = get_host_cpu_features
    return frozenset(name[1:] for name in told().split(",") if name.startswith("+"))
