"""Answers that are no success, as the description lists them beside those that every route may give."""

from __future__ import annotations

from typing import Any

Outcomes = dict[int | str, dict[str, Any]]

TAG_UNREADABLE: Outcomes = {400: {"description": "If-Match cannot be used"}}
NOT_ENOUGH: Outcomes = {401: {"description": "The credentials are wrong, or a second factor is needed"}}
NOT_GOOD: Outcomes = {401: {"description": "The token is not valid, has been used, or its session has ended"}}
NOT_YET: Outcomes = {403: {"description": "The account is not active, or its address not verified"}}
UNINVITED: Outcomes = {403: {"description": "Nobody registers here, or only who is invited"}}
NOBODYS: Outcomes = {403: {"description": "A key of the server's settings belongs to no user"}}
NONE: Outcomes = {404: {"description": "There is no such thing, or it is another's"}}
CONFLICT: Outcomes = {409: {"description": "Taken, changed meanwhile, too many, or the last of its kind"}}
