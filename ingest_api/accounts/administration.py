"""Users, as administrators see them: `/api/users` in one family's words, `/api/admin/users` in another's."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request

from ingest_api.accounts import forms, shapes
from ingest_api.accounts.answers import admin_json, user_json
from ingest_api.accounts.authority import in_session, may_administer
from ingest_api.accounts.door import AccountsDoor, door_of
from ingest_api.accounts.family import BODY
from ingest_api.accounts.outcomes import CONFLICT, NONE, TAG_UNREADABLE
from ingest_api.accounts.policy import check_email, check_username
from ingest_api.accounts.registration import offer_of, seen
from ingest_api.auth import may
from ingest_api.bodies import read, takes
from ingest_api.entities.conditions import entity_answer, expected_version
from ingest_api.entities.listing import MAX_PAGE, Page, page_of
from ingest_api.entities.orders import Author, Rejection, author_of, new_id, problem_of_rejection
from ingest_api.json import Json
from ingest_api.principal import Principal
from ingest_api.problems import FieldError, Invalid, NotFound
from pipeline.accounts.identity import same_mailbox
from pipeline.accounts.letters import address_changed, password_changed, second_factor_changed
from schemas.accounts.keys import Key
from schemas.accounts.users import Purpose, Status, User
from schemas.accounts.webhooks import Webhook
from schemas.permissions import ROLES

router = APIRouter()
Reader = Annotated[Principal, Depends(may("users:read"))]
Writer = Annotated[Principal, Depends(may("users:write"))]
Number = Annotated[int, Query(ge=1, le=100_000, description="From 1.")]
Size = Annotated[int, Query(ge=1, le=MAX_PAGE)]
Word = Annotated[str | None, Query(max_length=100)]
SORTS = {
    "created_at": lambda user: user.number,
    "username": lambda user: (user.username.casefold(), user.number),
    "email": lambda user: ((user.email or "").casefold(), user.number),
    "last_login": lambda user: (user.last_login_at or 0, user.number),
}
Sort = Annotated[str, Query(max_length=30, description=f"{', '.join(SORTS)}; with - before, descending")]


@router.get("/api/users", response_model=shapes.UserList)
async def users(
    request: Request,
    principal: Reader,
    page: Number = 1,
    limit: Size = 20,
    role: Word = None,
    status: Status | None = None,
    search: Word = None,
    sort: Sort = "created_at",
) -> Json:
    """A page of the users."""
    found = _page(door_of(request), page, limit, role, status, search, sort)
    return Json({"data": [user_json(user) for user in found.entities], "pagination": found.pagination})


@router.get("/api/users/{user_id:int}", response_model=shapes.UserShown, responses=NONE)
async def user(request: Request, principal: Reader, user_id: int) -> Json:
    """One user."""
    held = _held(door_of(request), str(user_id))
    return entity_answer(held, user_json(held))


@router.patch(
    "/api/users/{user_id:int}",
    response_model=shapes.UserShown,
    responses=CONFLICT | NONE,
    openapi_extra=takes(forms.Administered),
)
async def change_user(request: Request, principal: Writer, user_id: int) -> Json:
    """Status, role and names. Who is banned or inactive is out at once, open sockets included."""
    after = await _changed(request, principal, str(user_id))
    return entity_answer(after, user_json(after))


@router.get("/api/admin/users", response_model=shapes.AdminUserList)
async def admin_users(
    request: Request,
    principal: Reader,
    page: Number = 1,
    page_size: Size = 20,
    role: Word = None,
    is_active: bool | None = None,
    search: Word = None,
    sort: Sort = "created_at",
) -> Json:
    """A page of the users."""
    found = _page(door_of(request), page, page_size, role, None, search, sort, is_active)
    shown = [admin_json(user) for user in found.entities]
    told = {"page": found.number, "page_size": found.size, "total_pages": found.pages}
    return Json({"users": shown, "total": found.total, **told})


@router.post(
    "/api/admin/users",
    status_code=201,
    response_model=shapes.AdminUser,
    responses=CONFLICT,
    openapi_extra=takes(forms.NewUser),
)
async def make_user(request: Request, principal: Writer) -> Json:
    """A user who can log in at once: an administrator vouches for the address. Needs a session, for the password."""
    given = await read(request, forms.NewUser, BODY)
    door = door_of(request)
    in_session(principal)
    may_administer(principal, None, given.roles)
    errors = _unfit(given.username, given.email, given.roles)
    errors += await door.passwords.check(given.password, [given.username, given.email or ""])
    if errors:
        raise Invalid(errors)
    fields = {
        "username": given.username,
        "email": given.email,
        "full_name": given.full_name,
        "roles": given.roles,
        "status": Status.ACTIVE if given.is_active else Status.INACTIVE,
        "email_verified": True,
        "password": await door.passwords.hash(given.password),
    }
    user_id = new_id()
    await _order(door, author_of(request, principal.id), user_id, "register", fields)
    made = seen(door, user_id)
    return entity_answer(made, admin_json(made), 201)


@router.get("/api/admin/users/{user_id}", response_model=shapes.AdminUser, responses=NONE)
async def admin_user(request: Request, principal: Reader, user_id: str) -> Json:
    """One user."""
    held = _held(door_of(request), user_id)
    return entity_answer(held, admin_json(held))


@router.put(
    "/api/admin/users/{user_id}",
    response_model=shapes.AdminUser,
    responses=CONFLICT | NONE,
    openapi_extra=takes(forms.Administered),
)
async def replace_user(request: Request, principal: Writer, user_id: str) -> Json:
    """Changes what is given; with a password, ends the user's sessions."""
    after = await _changed(request, principal, user_id)
    return entity_answer(after, admin_json(after))


@router.delete("/api/admin/users/{user_id}", response_model=shapes.Message, responses=CONFLICT | NONE | TAG_UNREADABLE)
async def delete_user(request: Request, principal: Writer, user_id: str) -> Json:
    """The user, with keys and webhooks."""
    door = door_of(request)
    held = _held(door, user_id)
    may_administer(principal, held)
    author, version = author_of(request, principal.id), expected_version(request)
    await _order(door, author, held.id, "delete", {}, version)
    for key in door.directory.keys_of(held.id):
        await door.orders.order(author, Key, key.id, "delete")
    for webhook in door.webhooks_of(held.id):
        await door.orders.order(author, Webhook, webhook.id, "delete")
    return Json({"success": True, "message": "The user is deleted"})


@router.delete("/api/admin/users/{user_id}/2fa", response_model=shapes.Message, responses=NONE)
async def take_factor_off(request: Request, principal: Writer, user_id: str) -> Json:
    """For who has lost it: the password alone is asked for until another is set up. Sessions end, a mail tells it."""
    door = door_of(request)
    held = _held(door, user_id)
    in_session(principal)
    may_administer(principal, held)
    author = author_of(request, principal.id)
    await _order(door, author, held.id, "remove_factor", {})
    await _order(door, author, held.id, "close_sessions", {})
    await door.tell(held, second_factor_changed, False)
    return Json({"success": True, "message": "The second factor is off"})


@router.delete("/api/admin/users/{user_id}/sessions", response_model=shapes.Message, responses=NONE)
async def end_sessions(request: Request, principal: Writer, user_id: str) -> Json:
    """Logs the user out everywhere."""
    door = door_of(request)
    held = _held(door, user_id)
    may_administer(principal, held)
    await _order(door, author_of(request, principal.id), held.id, "close_sessions", {})
    return Json({"success": True, "message": "The sessions have ended"})


def _page(
    door: AccountsDoor,
    number: int,
    size: int,
    role: str | None,
    status: Status | None,
    search: str | None,
    sort: str,
    is_active: bool | None = None,
) -> Page[User]:
    key = SORTS.get(sort.removeprefix("-"))
    if key is None:
        raise Invalid([FieldError("sort", f"Must be one of {', '.join(SORTS)}, with - before it or not")])
    wanted = (search or "").casefold()

    def where(user: User) -> bool:
        return (
            (role is None or role in user.roles)
            and (status is None or user.status is status)
            and (is_active is None or (user.status is Status.ACTIVE) is is_active)
            and (
                not wanted
                or any(wanted in (text or "").casefold() for text in (user.username, user.email, user.full_name))
            )
        )

    every = door.directory.users.entries.values()
    return page_of(every, number=number, size=size, where=where, sort=key, descending=sort.startswith("-"))


async def _changed(request: Request, principal: Principal, user_id: str) -> User:
    given = await read(request, forms.Administered, BODY)
    door = door_of(request)
    held = _held(door, user_id)
    roles = given.roles if given.role is None else [given.role]
    status = given.status
    if status is None and given.is_active is not None:
        status = Status.ACTIVE if given.is_active else Status.INACTIVE
    if given.password is not None or given.email is not None:
        in_session(principal)
    may_administer(principal, held, roles or ())
    errors = _unfit(given.username, given.email, roles or [])
    if given.password is not None:
        errors += await door.passwords.check(given.password, [held.username, held.email or ""])
    if errors:
        raise Invalid(errors)
    author, version = author_of(request, principal.id), expected_version(request, given.version)
    fields = {
        "username": given.username,
        "email": given.email,
        "full_name": given.full_name,
        "roles": roles,
        "status": status,
        "reason": given.reason,
    }
    await _order(door, author, held.id, "administer", fields | _letters(door, held, given.email), version)
    if given.password is not None:
        hashed = await door.passwords.hash(given.password)
        await _order(door, author, held.id, "set_password", {"password": hashed})
        await door.tell(seen(door, held.id), password_changed)
    return seen(door, held.id)


def _letters(door: AccountsDoor, held: User, email: str | None) -> dict[str, Any]:
    """What goes to the new address, and to the old one, if this is a new one."""
    if email is None or same_mailbox(email, held.email) or not door.mail.reaches:
        return {}
    told: dict[str, Any] = {"offer": offer_of(door, held.id, email, held.username, Purpose.VERIFY_EMAIL)}
    if held.email is not None and held.email_verified:
        mail = address_changed(door.seals, held.id, held.email, held.username, door.mail.public_url, door.clock())
        times = {"noticed_at": mail.requested_at, "expires_at": mail.expires_at}
        told["notice"] = {"recipient": mail.recipient, "letter": mail.sealed, "purpose": mail.purpose} | times
    return told


async def _order(
    door: AccountsDoor,
    author: Author,
    user_id: str,
    command: str,
    arguments: dict[str, Any],
    version: int | None = None,
) -> None:
    try:
        await door.orders.order(author, User, user_id, command, arguments, expected_version=version)
    except Rejection as rejection:
        raise problem_of_rejection(rejection) from None


def _held(door: AccountsDoor, user_id: str) -> User:
    held = door.directory.numbered(user_id)
    if held is None:
        raise NotFound("There is no such user", reason="USER_NOT_FOUND")
    return held


def _unfit(username: str | None, email: str | None, roles: list[str]) -> list[FieldError]:
    """What is wrong with those that are given."""
    errors = [*(() if username is None else check_username(username)), *(check_email(email) if email else ())]
    unknown = sorted(set(roles) - ROLES.keys())
    if unknown:
        errors.append(FieldError("roles", f"There is no role {unknown[0]!r}; there are {', '.join(ROLES)}"))
    return errors
