"""The first administrator: made from the settings where the log has none, since somebody must let the others in."""

from __future__ import annotations

import asyncio
import logging

from ingest_api.accounts.directory import Directory
from ingest_api.accounts.passwords import Passwords
from ingest_api.entities.orders import NOT_DECIDED, SYSTEM, Orders, Rejection
from ingest_api.settings import DEVELOPMENT_PASSWORD, ApiSettings
from schemas.accounts.roles import ADMINISTRATORS
from schemas.accounts.users import User

ADMIN = "admin"
AGAIN_SECONDS = 0.5
_LOG = logging.getLogger("thalweg.api")


class Bootstrap:
    """Works on beside the requests until the log has an administrator: workers may come later than the door."""

    def __init__(self, settings: ApiSettings, directory: Directory, orders: Orders, passwords: Passwords) -> None:
        self._settings, self._directory, self._orders, self._passwords = settings, directory, orders, passwords
        self._task: asyncio.Task[None] | None = None
        self.done = asyncio.Event()

    def start(self) -> None:
        if self._lets_anyone_in():
            _LOG.warning(
                "DEVELOPMENT ADMIN IS ON: your programs on this machine can log in as admin / %s, unless its password "
                "was changed. Set THALWEG_ADMIN_PASSWORD before anyone else can reach it.",
                DEVELOPMENT_PASSWORD,
            )
        self._task = asyncio.create_task(self._until_led())

    def _lets_anyone_in(self) -> bool:
        if not self._settings.dev_admin:
            return False
        admin = self._directory.user(ADMIN)
        if admin is not None:
            return admin.local_only
        return self._settings.admin_password is None and not self._is_led()

    def _is_led(self) -> bool:
        return any(ADMINISTRATORS & set(user.roles) for user in self._directory.users.entries.values())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _until_led(self) -> None:
        while not self.done.is_set():
            try:
                await self._lead()
            except NOT_DECIDED as failure:
                _LOG.info("there is no administrator yet: %s", failure)
                await asyncio.sleep(AGAIN_SECONDS)
            except Exception:
                _LOG.exception("the first administrator could not be made")
                await asyncio.sleep(AGAIN_SECONDS)
            else:
                self.done.set()

    async def _lead(self) -> None:
        admin = self._directory.user(ADMIN)
        if admin is None and not self._is_led():
            await self._make()
        elif admin is not None and admin.local_only and not self._settings.dev_admin:
            await self._adopt()

    async def _make(self) -> None:
        development = self._settings.dev_admin and self._settings.admin_password is None
        password = await self._passwords.hash(self._settings.admin_password or DEVELOPMENT_PASSWORD)
        given = {
            "username": ADMIN,
            "password": password,
            "roles": ["super_admin"],
            "local_only": development,
            "email_verified": True,
        }
        try:
            await self._orders.order(SYSTEM, User, ADMIN, "register", given)
        except Rejection as rejection:
            _LOG.info("another process has made the administrator: %s", rejection)

    async def _adopt(self) -> None:
        """The settings now have a password, or want no development admin: the old one must not hold any longer."""
        if self._settings.admin_password is not None:
            password = await self._passwords.hash(self._settings.admin_password)
            await self._orders.order(SYSTEM, User, ADMIN, "adopt", {"password": password})
