"""What `thalweg up` shows: each part as it starts, and where everything is once it has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipeline.embedded.events import AllReady, Crashed, Event, Progress, Ready, Starting, Stopped, Stopping
from pipeline.embedded.secrets import FILE
from pipeline.embedded.settings import StackSettings
from pipeline.settings import loopback


class Screen:
    """Draws a supervisor's events: lines, and on a terminal a moving last line that says what is being awaited."""

    def __init__(
        self,
        settings: StackSettings,
        environment: Mapping[str, str],
        names: Sequence[str],
        console: Console | None = None,
        *,
        dev_password: str = "",
    ) -> None:
        """`dev_password` is the one that was made for this data directory."""
        self._settings = settings
        self._environment = environment
        self._names = names
        self._dev_password = dev_password
        self._console = console or Console(highlight=False)
        self._status = self._console.status("", spinner="dots")
        self._doing: dict[str, str] = {}

    def __enter__(self) -> Screen:
        where = f"data in {self._settings.data_dir}, logs with [bold]thalweg logs PART -f[/bold]"
        self._say(f"starting {', '.join(self._names)}; {where}")
        for name, url in self._elsewhere():
            self._say(
                f"[yellow]{name} is not started: {escape(url)} is used, as the environment or a flag says[/yellow]"
            )
        self._status.start()
        return self

    def _elsewhere(self) -> list[tuple[str, str]]:
        """Parts that are somebody else's: a variable left over from another terminal should not go unnoticed."""
        settings = self._settings
        given = {"Kafka": settings.kafka_bootstrap, "the warehouse": settings.clickhouse_url}
        return [(name, url.rsplit("@", 1)[-1]) for name, url in given.items() if url]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._status.stop()
        if error is None:
            self._say(f"everything has stopped; your data is kept in {self._settings.data_dir}")

    def show(self, event: Event) -> None:
        match event:
            case Starting(part):
                self._doing[part] = "starting"
            case Progress(part, text):
                self._progress(part, text)
            case Ready(part, seconds, url):
                self._doing.pop(part, None)
                self._say(f"[green]✓[/green] {part} ready in {seconds:.1f} s{f'  {escape(url)}' if url else ''}")
            case AllReady(seconds):
                self._all_ready(seconds)
            case Crashed():
                self._crashed(event)
            case Stopping(part):
                self._doing[part] = "stopping"
            case Stopped(part, killed):
                self._doing.pop(part, None)
                self._say(f"[yellow]![/yellow] {part} did not stop in time: killed" if killed else f"{part} stopped")
        self._refresh()

    def _progress(self, part: str, text: str) -> None:
        if not self._console.is_terminal and self._doing.get(part) == "starting":
            self._say(f"{part}: {escape(text)}")
        self._doing[part] = text

    def _crashed(self, crash: Crashed) -> None:
        self._doing[crash.part] = f"restarts in {crash.restart_in:.0f} s"
        self._say(
            f"[red]✗[/red] {crash.part} ended ({escape(crash.reason)}); restart {crash.restarts} "
            f"in {crash.restart_in:.0f} s; see [bold]thalweg logs {crash.part}[/bold]"
        )
        if crash.again_and_again:
            self._say(f"[red]  {crash.part} keeps failing; trying again every {crash.restart_in:.0f} s[/red]")

    def _all_ready(self, seconds: float) -> None:
        self._say(f"[bold green]ready in {seconds:.1f} s[/bold green]; Ctrl-C stops everything")
        self._console.print(self._addresses())
        if "api" in self._names and self._development_admin():
            self._say(
                f"[bold yellow]DEVELOPMENT ONLY[/bold yellow]: user [bold]admin[/bold], "
                f"{self._development_password()}; your own programs on this machine may say [bold]admin123[/bold]. "
                "Set THALWEG_ADMIN_PASSWORD before anyone else can reach the API."
            )

    def _development_password(self) -> str:
        """What was made here is shown; what the operator chose stays where it is, since more than its owner read a
        screen."""
        file, password = (self._environment.get(f"THALWEG_DEV_PASSWORD{end}", "") for end in ("_FILE", ""))
        if file:
            return f"the password in {escape(file)} (THALWEG_DEV_PASSWORD_FILE)"
        if password != self._dev_password:
            return "the password in THALWEG_DEV_PASSWORD"
        return f"password [bold]{escape(password)}[/bold], made for you and kept in {self._settings.data_dir / FILE}"

    def _addresses(self) -> Table:
        table = Table.grid(padding=(0, 2))
        api = f"http://{self._settings.api_host}:{self._settings.api_port}"
        rows = {
            "api": [("API", api), ("API reference", f"{api}/docs")],
            "broker": [("Kafka", self._environment["THALWEG_KAFKA_BOOTSTRAP"])],
            "warehouse": [
                ("ClickHouse", self._environment["THALWEG_CLICKHOUSE_URL"]),
                ("", f"users and passwords: {self._settings.data_dir / FILE}"),
            ],
        }
        for name in rows:
            if name in self._names:
                for label, value in rows[name]:
                    table.add_row(f"  {label}", escape(value))
        return table

    def _development_admin(self) -> bool:
        """The API's own rule (it enforces it; here it is only told of)."""
        told = self._environment.get
        off = told("THALWEG_DEV_ADMIN", "").lower() in ("0", "false", "no", "off")
        has_password = any(told("THALWEG_ADMIN_PASSWORD" + where) for where in ("", "_FILE"))
        return not off and not has_password and loopback(self._settings.api_host)

    def _refresh(self) -> None:
        doing = ", ".join(
            name if text == "starting" else f"{name} ({escape(text)})" for name, text in self._doing.items()
        )
        self._status.update(f"waiting for {doing}" if doing else "running")

    def _say(self, line: str) -> None:
        self._console.print(line, soft_wrap=True)
