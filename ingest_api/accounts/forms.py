"""What the accounts routes take."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from pipeline.accounts import identity
from schemas.accounts.users import Status

Text = Annotated[str, Field(max_length=256)]
Secret = Annotated[str, Field(min_length=1, max_length=1024, examples=["correct horse battery staple"])]
Code = Annotated[
    str,
    Field(max_length=32, description="Six digits of the second factor, or a backup code; spaces and dashes are free."),
]
NAME, ADDRESS = AfterValidator(identity.name_as_kept), AfterValidator(identity.address_as_kept)
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
    username: Annotated[str, Field(max_length=256, examples=["dev_user"]), NAME]
    email: Annotated[str, Field(max_length=254, examples=["developer@example.com"]), ADDRESS]
    password: Secret
    full_name: Text | None = None
    company: Text | None = None
    role: Literal["user", "node_operator"] = "user"
    invitation: Annotated[
        str | None, Field(max_length=512, description="Where the server lets register whom it invites.")
    ] = None


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
    totp_code: Annotated[Code, Field(examples=["492039"])]


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

    username: Annotated[Text, NAME] | None = None
    email: Annotated[str, Field(max_length=254), ADDRESS] | None = None
    full_name: Text | None = None
    password: Secret | None = None
    role: str | None = None
    roles: Annotated[list[str] | None, Field(max_length=10)] = None
    status: Status | None = None
    is_active: bool | None = None
    reason: Annotated[str | None, Field(max_length=500)] = None
    version: Annotated[int | None, Field(ge=1, description="As If-Match.")] = None


class NewUser(BaseModel):
    username: Annotated[str, Field(max_length=256, examples=["analyst"]), NAME]
    email: Annotated[str, Field(max_length=254), ADDRESS] | None = None
    password: Secret
    full_name: Text | None = None
    roles: Annotated[list[str], Field(max_length=10)] = ["user"]
    is_active: bool = True


class StreamShared(BaseModel):
    """What is left out stays. Users by name, address or id."""

    model_config = ConfigDict(extra="forbid")

    owner: Annotated[str | None, Field(min_length=1, max_length=254)] = None
    visibility: Literal["owner", "team", "public-read"] | None = None
    members: Annotated[list[Text] | None, Field(max_length=100)] = None
    version: Annotated[int | None, Field(ge=1, description="As If-Match.")] = None


class NewInvitation(BaseModel):
    model_config = ConfigDict(extra="forbid")

    email: Annotated[str | None, Field(max_length=254, description="The one address it is good for.")] = None
    expires_in_hours: Annotated[int, Field(ge=1, le=720)] = 72


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
