"""The embedded AWS: one MiniStack process on a loopback port, with all its files in the state folder.

It keeps its state in memory: a restart is an empty account. Functions, and Glue jobs of type ``pythonshell``,
run as its children on this clone's own Python.
"""

from __future__ import annotations

import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

from scripts.local import environment, processes
from scripts.local.processes import Command, Supervised
from shared.errors import Misconfigured

READY_SECONDS = 60.0
_ATTEMPTS = 5


class EmbeddedAws:
    """``folder`` is the state folder; what MiniStack writes goes to ``{folder}/aws``."""

    def __init__(self, folder: Path, free_port: Callable[[], int] = processes.free_port) -> None:
        self._folder = folder
        self._free_port = free_port
        self._process: Supervised | None = None
        self.port = 0

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a client of it: boto3, the CDK, a Spark job."""
        return environment.local(self.endpoint)

    def start(self) -> None:
        """Raises Misconfigured where it does not come up."""
        for attempt in range(1, _ATTEMPTS + 1):
            self.port = self._free_port()
            self._process = processes.start(self._command(), self._folder)
            try:
                processes.wait_until(self._ready, self._process, "the embedded AWS", READY_SECONDS)
                return
            except Misconfigured:
                taken = "in use" in processes.end_of(self._process.log)
                self.stop()
                if not taken or attempt == _ATTEMPTS:
                    raise

    def _command(self) -> Command:
        files = self._folder / "aws"
        for folder in ("tmp", "state", "s3"):
            (files / folder).mkdir(parents=True, exist_ok=True)
        settings = {
            "GATEWAY_PORT": str(self.port),
            "BIND_HOST": "127.0.0.1",
            "MINISTACK_HOST": "127.0.0.1",
            "MINISTACK_REGION": environment.REGION,
            "MINISTACK_ACCOUNT_ID": environment.ACCOUNT,
            "TMPDIR": str(files / "tmp"),
            "STATE_DIR": str(files / "state"),
            "S3_DATA_DIR": str(files / "s3"),
            # At its start MiniStack removes containers that look like its own. The user's Docker is not ours to tidy.
            "DOCKER_HOST": f"unix://{files}/no-docker.sock",
            # Listeners on fixed ports, which a second local target would find taken.
            "SFTP_ENABLED": "0",
            "IOT_MTLS_ENABLED": "0",
            "LOG_LEVEL": "INFO",
        }
        arguments = [sys.executable, "-m", "ministack"]
        # Not in the checkout: a function must find its modules in what was deployed, or not at all.
        variables = {**self.environment, **settings}
        # SIGKILL: its state is in memory and goes anyway, while a gentle end waits for every idle worker.
        return Command("aws", arguments, variables, stop_signal="SIGKILL", directory=files)

    def _ready(self) -> bool:
        # Our own log first: another server may have been quicker on this port, and would answer as well.
        if self._process is None or f"Running on {self.endpoint}" not in self._process.log.read_text(errors="replace"):
            return False
        try:
            with urllib.request.urlopen(f"{self.endpoint}/_ministack/ready", timeout=5) as answer:  # nosec B310 # noqa: S310 - ours
                return bool(answer.status == 200)
        except OSError:
            return False

    def release(self) -> None:
        """Lets it outlive this process."""
        if self._process:
            self._process.release()

    def stop(self) -> None:
        if self._process:
            self._process.stop()
            self._process = None
