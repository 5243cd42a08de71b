"""What the accounts routes answer, as the description shows it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field


class LoggedIn(BaseModel):
    access_token: str
    token_type: Literal["bearer"] = "bearer"
    expires_in: Annotated[int, Field(description="Seconds.", examples=[1800])]
    refresh_token: Annotated[str, Field(description="Good for one refresh.")]
    scope: Annotated[str, Field(examples=["read write admin"])]


class FamilyLoggedIn(BaseModel):
    """`message` and `user` where it was called with `identifier` or `email`."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"
    expires_in: Annotated[int, Field(description="Seconds.", examples=[1800])]
    refresh_token: Annotated[str, Field(description="Good for one refresh.")]
    scope: str
    message: str | None = None
    user: dict[str, Any] | None = None


class Myself(BaseModel):
    id: Annotated[str, Field(examples=["user:admin"])]
    name: Annotated[str, Field(examples=["admin"])]
    scope: Annotated[str, Field(examples=["read write admin"])]
    permissions: list[str]
    username: str
    email: str | None
    full_name: str | None
    disabled: bool
    roles: list[str]


class Message(BaseModel):
    success: Literal[True] = True
    message: str


class CsrfToken(BaseModel):
    csrf_token: str


class Ticket(BaseModel):
    ticket: Annotated[str, Field(description="Good once: `?ticket=` of a WebSocket or an event stream.")]
    expires_in: Annotated[int, Field(description="Seconds.")]


class FactorSetup(BaseModel):
    qr_code: Annotated[str, Field(description="A data URL of a PNG.")]
    secret: Annotated[str, Field(description="The same in base32, to type.")]
    backup_codes: Annotated[list[str], Field(description="Each good once. Shown this once.")]


class AnyUser(BaseModel):
    """`uuid` is the user's id everywhere."""

    uuid: str
    version: int
    username: str
    email: str | None
    full_name: str | None
    company: str | None
    bio: str | None
    website: str | None
    location: str | None
    notification_preferences: dict[str, bool]
    role: str | None
    roles: list[str]
    status: str
    status_reason: str | None
    is_active: bool
    is_superuser: bool
    email_verified: bool
    two_factor_enabled: bool
    created_at: str
    updated_at: str
    last_login: str | None


class UserShown(AnyUser):
    """`id` is a number for clients that know numbers alone."""

    id: int


class AdminUser(AnyUser):
    """`id` is what the address of the user ends with; so may `number`."""

    id: str
    number: int


class Statistics(BaseModel):
    """Null is what this server does not measure."""

    total_tasks: int | None
    completed_tasks: int | None
    total_spent: float | None
    member_since: str


class ProfileShown(BaseModel):
    user: UserShown
    statistics: Statistics


class ProfileChanged(ProfileShown):
    message: str


class Registered(BaseModel):
    message: str
    user_id: int
    verification_required: bool
    id: str
    username: str
    email: str | None
    full_name: str | None
    is_active: bool
    roles: list[str]
    created_at: str


class Pagination(BaseModel):
    page: int
    limit: int
    total: int
    pages: int


class UserList(BaseModel):
    data: list[UserShown]
    pagination: Pagination


class AdminUserList(BaseModel):
    users: list[AdminUser]
    total: int
    page: int
    page_size: int
    total_pages: int


class KeyShown(BaseModel):
    id: str
    name: str
    prefix: Annotated[str, Field(description="How the key begins.", examples=["ncs_01ab"])]
    permissions: list[str]
    created_at: str
    expires_at: str | None
    last_used: Annotated[str | None, Field(description="To about a minute.")]


class KeyMade(BaseModel):
    message: str
    api_key: Annotated[str, Field(description="Shown this once.")]
    key: Annotated[str, Field(description="The same.")]
    key_info: KeyShown
    name: str
    created_at: str


class KeyList(BaseModel):
    data: list[KeyShown]
    api_keys: Annotated[list[KeyShown], Field(description="The same.")]


class SessionShown(BaseModel):
    id: str
    opened_at: str
    refreshed_at: str
    expires_at: str
    address: str | None
    agent: str | None
    current: bool


class SessionList(BaseModel):
    data: list[SessionShown]


class StreamParty(BaseModel):
    id: Annotated[str, Field(description="A user's id, or operator: the installation's administrators and keys.")]
    username: Annotated[str | None, Field(description="null of the operator, and of a user who is no more.")]


class StreamAccess(BaseModel):
    stream: Annotated[str, Field(description="Its key: what the log, live messages and SQL call it.")]
    name: Annotated[str, Field(description="What its owner calls it.")]
    version: Annotated[int | None, Field(description="null of a stream that nobody owns.")]
    owner: Annotated[StreamParty | None, Field(description="null of a stream that nobody owns: it is everybody's.")]
    visibility: Literal["owner", "team", "public-read"] | None
    members: list[StreamParty] = []


class InvitationShown(BaseModel):
    id: str
    email: Annotated[str | None, Field(description="The one address it is good for; null for any.")]
    owner: Annotated[str | None, Field(description="The id of who made it; null of a key of the settings.")]
    created_at: str
    expires_at: str


class InvitationMade(InvitationShown):
    invitation: Annotated[str, Field(description="Shown this once.")]


class InvitationList(BaseModel):
    data: list[InvitationShown]
    pagination: Pagination


class WebhookShown(BaseModel):
    id: str
    version: int
    url: str
    events: list[str]
    description: str | None
    enabled: bool
    disabled_reason: str | None
    created_at: str
    updated_at: str
    secret: Annotated[str | None, Field(description="Shown once, when it was made or changed.")] = None


class WebhookList(BaseModel):
    data: list[WebhookShown]
    pagination: Pagination


class AttemptShown(BaseModel):
    at: str
    milliseconds: float
    status: int | None
    error: str | None


class DeliveryShown(BaseModel):
    id: Annotated[str, Field(description="What the receiver sees as webhook-id.")]
    event: str
    source: Annotated[str | None, Field(description="Position of the event; null of a test.")]
    created_at: str
    progress: Literal["pending", "delivered", "failed"]
    next_attempt_at: str | None
    attempts: list[AttemptShown]


class DeliveryList(BaseModel):
    data: list[DeliveryShown]
    pagination: Pagination
