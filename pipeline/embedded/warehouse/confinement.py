"""Linux's Landlock: this process gives up, for good, all files but its own and all outgoing connections.

A second wall behind the refusals: should a statement get past them, `file()` still finds nothing to read and `url()`
nobody to call. Kernel documentation: Documentation/userspace-api/landlock.rst.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every architecture
_ASK_VERSION = 1
_RULE_PATH_BENEATH = 1
_PR_SET_NO_NEW_PRIVS = 38

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_BASIC_RIGHTS = (1 << 13) - 1
_RIGHTS_SINCE = {2: 1 << 13, 3: 1 << 14, 5: 1 << 15}  # moving between directories, truncating, device ioctls
_FILE_RIGHTS = _EXECUTE | _WRITE_FILE | _READ_FILE | 1 << 14 | 1 << 15
_CONNECT_TCP = 1 << 1
_NETWORK_SINCE = 4


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


@dataclass(frozen=True)
class Rights:
    """Paths, with all that is beneath them; those that do not exist are left out."""

    read: Iterable[Path] = field(default_factory=tuple)
    write: Iterable[Path] = field(default_factory=tuple)
    list: Iterable[Path] = field(default_factory=tuple)


def confine(rights: Rights) -> bool:
    """Gives up everything but `rights` for this thread and what it starts or becomes. False where the kernel has no
    Landlock: nothing is changed then. To be called before there are other threads."""
    if not sys.platform.startswith("linux"):
        return False
    kernel = ctypes.CDLL(None, use_errno=True)
    version = kernel.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_ASK_VERSION))
    if version < 1:
        return False
    known = _BASIC_RIGHTS | sum(right for since, right in _RIGHTS_SINCE.items() if version >= since)
    ruleset = _ruleset(kernel, known, version)
    try:
        for path in rights.read:
            _allow(kernel, ruleset, path, known & (_EXECUTE | _READ_FILE | _READ_DIR))
        for path in rights.list:
            _allow(kernel, ruleset, path, known & _READ_DIR)
        for path in rights.write:
            _allow(kernel, ruleset, path, known)
        _checked(kernel.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        _checked(kernel.syscall(_RESTRICT_SELF, ruleset, ctypes.c_uint32(0)))
    finally:
        os.close(ruleset)
    return True


def _ruleset(kernel: ctypes.CDLL, known: int, version: int) -> int:
    has_network = version >= _NETWORK_SINCE
    attributes = _Ruleset(known, _CONNECT_TCP if has_network else 0)
    size = ctypes.sizeof(_Ruleset) if has_network else ctypes.sizeof(ctypes.c_uint64)
    descriptor: int = kernel.syscall(
        _CREATE_RULESET, ctypes.byref(attributes), ctypes.c_size_t(size), ctypes.c_uint32(0)
    )
    return _checked(descriptor)


def _allow(kernel: ctypes.CDLL, ruleset: int, path: Path, allowed: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        rule = _PathBeneath(allowed if path.is_dir() else allowed & _FILE_RIGHTS, descriptor)
        _checked(kernel.syscall(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, ctypes.byref(rule), ctypes.c_uint32(0)))
    finally:
        os.close(descriptor)


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"Landlock: {os.strerror(number)}")
    return result
