"""The schemas a process knows: those checked in, and what a Schema Registry, where one is set, has beside them.

Producers may register versions of their own (a field more, say); their records can be read once the schema is known.
The registry must hold our schemas under our ids (`thalweg schemas push`): an id stands in every record, for ever.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlsplit

import requests

from pipeline.errors import LogUnavailable, Misconfigured
from schemas.registry import Registry, Schema, canonical, checked_in

SECONDS = 5.0


def schemas(url: str | None) -> Registry:
    """Asked once, at a process's start. Raises Misconfigured where the registry contradicts what is checked in,
    LogUnavailable where it does not answer."""
    ours = checked_in()
    if url is None:
        return ours
    known = dict(ours.schemas)
    subjects = {subject: list(ids) for subject, ids in ours.subjects.items()}
    with requests.Session() as session:
        for subject, ids in subjects.items():
            for version in _versions(session, url, subject):
                schema = _version(session, url, subject, version)
                held = known.setdefault(schema.id, schema)
                if canonical(held.text) != canonical(schema.text):
                    raise Misconfigured(
                        f"the registry has another schema under the id {schema.id} ({subject}, version {version}) than "
                        f"{held.name}: records could not be told apart; push ours first, with thalweg schemas push"
                    )
                if schema.id not in ids:
                    ids.append(schema.id)
    return Registry(known, subjects)


def _versions(session: requests.Session, url: str, subject: str) -> list[int]:
    answer = _ask(session, url, f"/subjects/{quote(subject, safe='')}/versions")
    if answer is None:
        raise Misconfigured(f"the registry does not know {subject}: fill it with thalweg schemas push")
    return [int(version) for version in answer]


def _version(session: requests.Session, url: str, subject: str, version: int) -> Schema:
    answer = _ask(session, url, f"/subjects/{quote(subject, safe='')}/versions/{version}")
    if answer is None:
        raise LogUnavailable(f"the registry lists version {version} of {subject} and does not give it")
    return Schema(int(answer["id"]), f"{subject}@{version}", str(answer["schema"]))


def _ask(session: requests.Session, url: str, path: str) -> Any:
    """The answer's JSON; None for 404."""
    where = urlsplit(url).hostname
    try:
        answer = session.get(url + path, timeout=SECONDS)
        if answer.status_code == requests.codes.not_found:
            return None
        answer.raise_for_status()
        return answer.json()
    except requests.RequestException as error:
        raise LogUnavailable(f"the Schema Registry at {where} does not answer: {type(error).__name__}") from error
