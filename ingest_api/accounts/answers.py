"""Entities of the accounts street as answers show them."""

from __future__ import annotations

from typing import Any

from ingest_api.accounts.logins import LoggedIn
from pipeline.clock import iso
from schemas.accounts.invitations import Invitation
from schemas.accounts.keys import Key
from schemas.accounts.roles import ADMINISTRATORS
from schemas.accounts.users import Session, Status, User
from schemas.accounts.webhooks import Delivery, Webhook

Json = dict[str, Any]


def maybe(microseconds: int | None) -> str | None:
    return None if microseconds is None else iso(microseconds)


def tokens_json(opened: LoggedIn) -> Json:
    return {
        "access_token": opened.access_token,
        "token_type": "bearer",
        "expires_in": opened.expires_in,
        "refresh_token": opened.refresh_token,
        "scope": opened.scope,
    }


def user_json(user: User) -> Json:
    kept = ("version", "username", "email", "full_name", "company", "bio", "website", "location", "roles", "status")
    return {name: getattr(user, name) for name in kept} | {
        "id": user.number,
        "uuid": user.id,
        "notification_preferences": dict(user.notification_preferences),
        "role": user.roles[0] if user.roles else None,
        "status_reason": user.status_reason,
        "is_active": user.status is Status.ACTIVE,
        "is_superuser": bool(ADMINISTRATORS & set(user.roles)),
        "email_verified": user.email_verified,
        "two_factor_enabled": user.totp is not None,
        "created_at": iso(user.created_at),
        "updated_at": iso(user.updated_at),
        "last_login": maybe(user.last_login_at),
    }


def admin_json(user: User) -> Json:
    """The same, as the anomaly API's administrators know it: the id is a string."""
    return user_json(user) | {"id": user.id, "number": user.number}


def registered_json(user: User, message: str, *, verification_required: bool) -> Json:
    return {
        "message": message,
        "user_id": user.number,
        "verification_required": verification_required,
        "id": user.id,
        "username": user.username,
        "email": user.email,
        "full_name": user.full_name,
        "is_active": user.status is Status.ACTIVE,
        "roles": user.roles,
        "created_at": iso(user.created_at),
    }


def key_json(key: Key) -> Json:
    return {
        "id": key.id,
        "name": key.name,
        "prefix": key.prefix,
        "permissions": key.permissions,
        "created_at": iso(key.created_at),
        "expires_at": maybe(key.expires_at),
        "last_used": maybe(key.last_used_at),
    }


def session_json(session: Session, current: str | None) -> Json:
    return {
        "id": session.id,
        "opened_at": iso(session.opened_at),
        "refreshed_at": iso(session.refreshed_at),
        "expires_at": iso(session.expires_at),
        "address": session.address,
        "agent": session.agent,
        "current": session.id == current,
    }


def invitation_json(invitation: Invitation) -> Json:
    return {
        "id": invitation.id,
        "email": invitation.email,
        "owner": invitation.owner,
        "created_at": iso(invitation.created_at),
        "expires_at": iso(invitation.expires_at),
    }


def webhook_json(webhook: Webhook, secret: str | None = None) -> Json:
    told = {
        "id": webhook.id,
        "version": webhook.version,
        "url": webhook.url,
        "events": webhook.events,
        "description": webhook.description,
        "enabled": webhook.enabled,
        "disabled_reason": webhook.disabled_reason,
        "created_at": iso(webhook.created_at),
        "updated_at": iso(webhook.updated_at),
    }
    return told if secret is None else told | {"secret": secret}


def delivery_json(delivery: Delivery) -> Json:
    return {
        "id": delivery.id,
        "event": delivery.event,
        "source": delivery.source,
        "created_at": iso(delivery.created_at),
        "progress": delivery.progress,
        "next_attempt_at": maybe(delivery.next_attempt_at),
        "attempts": [
            {
                "at": iso(attempt.at),
                "milliseconds": attempt.milliseconds,
                "status": attempt.status,
                "error": attempt.error,
            }
            for attempt in delivery.attempts
        ],
    }
