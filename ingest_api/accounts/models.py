"""What the accounts routes take and answer, as the description shows it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from schemas.accounts.users import Status

Text = Annotated[str, Field(max_length=256)]
Secret = Annotated[str, Field(min_length=1, max_length=1024, examples=["correct horse battery staple"])]
Code = Annotated[str, Field(max_length=32, description="Six digits of the second factor, or a backup code.")]
Token = Annotated[str, Field(min_length=1, max_length=512)]


class Login(BaseModel):
    username: Annotated[str, Field(min_length=1, max_length=256, examples=["admin"])]
    password: Annotated[str, Field(min_length=1, max_length=1024, examples=["admin123"])]
    totp_code: Code | None = None


class FamilyLogin(BaseModel):
    """Called with `username`, or with `identifier` or `email`: each is answered as its clients expect."""

    username: Text | None = None
    identifier: Text | None = None
    email: Text | None = None
    password: Secret
    totp_code: Code | None = None
    remember_me: Annotated[bool, Field(description="The session holds 30 days instead of one.")] = False

    @model_validator(mode="after")
    def _one_name(self) -> FamilyLogin:
        if sum(bool(name) for name in (self.username, self.identifier, self.email)) != 1:
            raise ValueError("one of username, identifier and email is needed")
        return self

    @property
    def name(self) -> str:
        return self.username or self.identifier or self.email or ""


class Refresh(BaseModel):
    refresh_token: Token


class Registration(BaseModel):
    username: Annotated[str, Field(max_length=256, examples=["dev_user"])]
    email: Annotated[str, Field(max_length=254, examples=["developer@example.com"])]
    password: Secret
    full_name: Text | None = None
    company: Text | None = None
    role: Literal["user", "node_operator"] = "user"


class TokenGiven(BaseModel):
    token: Token


class Address(BaseModel):
    email: Annotated[str, Field(min_length=1, max_length=254)]


class Reset(BaseModel):
    token: Token
    new_password: Secret


class PasswordChange(BaseModel):
    current_password: Secret
    new_password: Secret


class FactorCode(BaseModel):
    totp_code: Annotated[str, Field(pattern="^[0-9]{6}$", examples=["492039"])]


class FactorOff(BaseModel):
    password: Secret
    totp_code: Code


class NewKey(BaseModel):
    """`scopes` and `permissions` are two words for the same; where neither is given, the key may read."""

    name: Annotated[str, Field(min_length=1, max_length=50, examples=["sensor-7"])]
    permissions: Annotated[list[str] | None, Field(max_length=50, examples=[["clustering:write"]])] = None
    scopes: Annotated[list[str] | None, Field(max_length=50, examples=[["read", "write"]])] = None
    expires_in_days: Annotated[int, Field(ge=1, le=365)] = 90


class Profile(BaseModel):
    model_config = ConfigDict(extra="forbid")

    full_name: Text | None = None
    company: Text | None = None
    bio: Annotated[str | None, Field(max_length=500)] = None
    website: Text | None = None
    location: Text | None = None
    notification_preferences: Annotated[dict[str, bool] | None, Field(max_length=50)] = None


class Administered(BaseModel):
    """What an administrator changes; what is left out stays. `version` refuses to change another than was seen."""

    model_config = ConfigDict(extra="ignore")

    username: Text | None = None
    email: Annotated[str | None, Field(max_length=254)] = None
    full_name: Text | None = None
    password: Secret | None = None
    role: str | None = None
    roles: Annotated[list[str] | None, Field(max_length=10)] = None
    status: Status | None = None
    is_active: bool | None = None
    reason: Annotated[str | None, Field(max_length=500)] = None
    version: Annotated[int | None, Field(ge=1, description="As If-Match.")] = None


class NewUser(BaseModel):
    username: Annotated[str, Field(max_length=256, examples=["analyst"])]
    email: Annotated[str | None, Field(max_length=254)] = None
    password: Secret
    full_name: Text | None = None
    roles: Annotated[list[str], Field(max_length=10)] = ["user"]
    is_active: bool = True


class NewWebhook(BaseModel):
    url: Annotated[str, Field(min_length=1, max_length=2048, examples=["https://example.com/hooks"])]
    events: Annotated[list[str], Field(min_length=1, max_length=20, examples=[["drift.detected"]])]
    secret: Annotated[str | None, Field(min_length=16, max_length=256, description="Made where it is left out.")] = None
    description: Annotated[str | None, Field(max_length=500)] = None


class WebhookChange(BaseModel):
    url: Annotated[str | None, Field(min_length=1, max_length=2048)] = None
    events: Annotated[list[str] | None, Field(min_length=1, max_length=20)] = None
    secret: Annotated[str | None, Field(min_length=16, max_length=256)] = None
    description: Annotated[str | None, Field(max_length=500)] = None
    enabled: bool | None = None
    version: Annotated[int | None, Field(ge=1, description="As If-Match.")] = None


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


class Refreshed(BaseModel):
    access_token: str
    token_type: Literal["bearer"] = "bearer"
    expires_in: int
    refresh_token: str
    scope: str


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


class UserShown(BaseModel):
    """`id` is a number for clients that know numbers alone, `uuid` the same user's id everywhere else."""

    id: int
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


class AdminUser(BaseModel):
    """`id` is what the address of the user ends with."""

    model_config = ConfigDict(extra="allow")

    id: str
    username: str
    email: str | None
    full_name: str | None
    roles: list[str]
    is_active: bool
    is_superuser: bool
    created_at: str
    last_login: str | None
    version: int


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
