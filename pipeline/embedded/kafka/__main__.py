"""`python -m pipeline.embedded.kafka run` becomes a broker; `fetch` only fetches its jars and loads them ahead of time;
`lock` renews the lock."""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import replace
from pathlib import Path

from pipeline import announce, lifeline
from pipeline.embedded import leash
from pipeline.embedded.kafka import ahead, storage
from pipeline.embedded.kafka.jars import Fetched, JarStore, write_lock
from pipeline.embedded.kafka.jvm import BROKER, Jvm
from pipeline.embedded.kafka.properties import BrokerSettings
from pipeline.embedded.privacy import make_private
from pipeline.errors import Failure, Misconfigured
from pipeline.refusal import EX_CONFIG


def main() -> int:
    try:
        defaults = BrokerSettings.from_environment(os.environ)
        arguments = _arguments(defaults)
        if arguments.step == "lock":
            sys.stdout.write(f"locked {write_lock()} jars\n")
        elif arguments.step == "fetch":
            ahead.make(JarStore().class_path(_say))
        else:
            _run(
                replace(
                    defaults,
                    data_dir=arguments.data_dir,
                    port=arguments.port,
                    controller_port=arguments.controller_port,
                    heap_mib=arguments.heap_mib,
                    pem=arguments.pem,
                )
            )
    except Failure as failure:
        sys.stderr.write(f"{failure}\n")
        return EX_CONFIG if isinstance(failure, Misconfigured) else 1
    return 0


def _run(settings: BrokerSettings) -> None:
    lifeline.attach(os.environ)
    make_private(settings.data_dir, ())
    class_path = JarStore().class_path(_say)
    jvm = Jvm(class_path, settings.heap_mib, storage.temporary(settings), ahead.kept(class_path))
    properties = storage.prepare(settings, jvm)
    leash.become(jvm.command(BROKER, str(properties)))


def _say(fetched: Fetched) -> None:
    announce.progress(str(fetched))


def _arguments(defaults: BrokerSettings) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m pipeline.embedded.kafka", description=__doc__)
    parser.add_argument("step", choices=("run", "fetch", "lock"))
    parser.add_argument("--data-dir", type=Path, default=defaults.data_dir)
    parser.add_argument("--port", type=int, default=defaults.port)
    parser.add_argument("--controller-port", type=int, default=defaults.controller_port)
    parser.add_argument("--heap-mib", type=int, default=defaults.heap_mib)
    parser.add_argument("--pem", type=Path, help="certificate and key, where it encrypts")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
