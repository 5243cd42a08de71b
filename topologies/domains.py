"""The domains that workers run."""

from __future__ import annotations

from importlib import import_module

from schemas.catalogue import INPUTS
from topologies.domain import Domain

NAMES = tuple(INPUTS)
"""Those that read topics into a state. Each is `DOMAIN` in the module of its name here."""


def load(name: str) -> Domain:
    """Imported by name, and here alone: a process loads the libraries of the domains that it runs and no others. A
    learner's compiled kernel takes seconds."""
    domain: Domain = import_module(f"topologies.{name}").DOMAIN
    return domain
