"""How a process ends that cannot start as it is set: with status 78, and not yet where that would start it again."""

from __future__ import annotations

import logging
import signal
import threading

from pipeline.errors import Failure, Misconfigured
from pipeline.heartbeat import Heartbeat
from pipeline.settings import Environment, flag, setting

EX_CONFIG = 78
"""sysexits.h: something was found in an unconfigured or misconfigured state. Trying again cannot help."""
WAIT = "THALWEG_WAIT_WHEN_MISCONFIGURED"
log = logging.getLogger(__name__)


def status_of(failure: Failure, environ: Environment, heartbeat: Heartbeat | None = None) -> int:
    """The exit status for a failure to start or to go on.

    A supervisor that knows no status after which it must not try again (Docker is one) is told so by WAIT: the process
    then stays, with its reason in its log and its heartbeat, until it is asked to end.
    """
    if not isinstance(failure, Misconfigured):
        return 1
    if heartbeat is not None:
        heartbeat.refuse(str(failure))
    if _waits(environ):
        ended = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: ended.set())
        log.warning("this process waits for the end, since %s is set: mend the setting and start it again", WAIT)
        ended.wait()
    return EX_CONFIG


def _waits(environ: Environment) -> bool:
    try:
        return setting(environ, WAIT, False, flag)
    except Misconfigured as error:
        log.error("%s", error)
        return False
