"""What an operator and the clock do during a soak, by the same commands and calls as on AWS."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any

import msgspec

from scripts.cli.queues import Queue
from scripts.local.environment import ROOT
from scripts.local.stack import LocalStack
from shared.names import LIVE_ALIAS
from tests.e2e.waiting import eventually
from tests.load.pms_process import ZONES, PmsProcess

VISIBLE_AGAIN = {"live": 5, "batch": 15, "poll": 60}
"""Seconds until a message comes back that a killed or failed function had: of minutes on AWS, seconds here.
The other queues have nothing to do in a soak."""
RECEIVES = 3
"""Then it is a dead letter; ten on AWS. So that an outage of half a minute leaves some."""
POLLER_SECONDS = 60
"""The poller's time limit, of five minutes there: what a killed one held in lease is free that much sooner."""

Say = Callable[[str], None]


class Operator:
    def __init__(self, local: LocalStack, pms: PmsProcess, say: Say) -> None:
        self.local = local
        self._pms = pms
        self._say = say
        self._one_at_a_time = Lock()
        sqs, names = local.client("sqs"), local.names
        self._queues = [Queue(sqs, name) for name in names.queues]
        self._dead_letters = [Queue(sqs, names.dead_letters_of(name)) for name in names.queues]

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "scripts.cli", *arguments]
        variables = self.local.environment | environment
        return subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False)

    def tries(self, *arguments: str, **environment: str) -> bool:
        """Whether it went well; during a soak not everything does."""
        return self.run(*arguments, **environment).returncode == 0

    def insists(self, *arguments: str, seconds: float, **environment: str) -> None:
        """Until it goes well."""
        last: list[subprocess.CompletedProcess[str]] = []

        def done() -> bool:
            last[:] = [self.run(*arguments, **environment)]
            if last[0].returncode:
                self._say(f"pousada {' '.join(arguments)}: {last[0].stderr.strip()[-200:]}")
            return last[0].returncode == 0

        eventually(done, f"pousada {' '.join(arguments)}", seconds)

    # -- Before ----------------------------------------------------------------------------------
    def hasten(self) -> None:
        """Makes minutes of waiting seconds, so that what was killed comes back within the soak."""
        sqs = self.local.client("sqs")
        for what, seconds in VISIBLE_AGAIN.items():
            queue = Queue(sqs, self.local.names.named(what))
            policy = sqs.get_queue_attributes(QueueUrl=queue.url, AttributeNames=["RedrivePolicy"])["Attributes"]
            hasty = json.loads(policy["RedrivePolicy"]) | {"maxReceiveCount": RECEIVES}
            attributes = {"VisibilityTimeout": str(seconds), "RedrivePolicy": json.dumps(hasty)}
            sqs.set_queue_attributes(QueueUrl=queue.url, Attributes=attributes)
        self._release("poller", Timeout=POLLER_SECONDS)

    def _release(self, folder: str, **settings: Any) -> None:
        """What calls the function calls its alias: a changed setting takes effect with a version of its own."""
        client, function = self.local.client("lambda"), self.local.names.function(folder)
        client.update_function_configuration(FunctionName=function, **settings)
        version = client.publish_version(FunctionName=function)["Version"]
        client.update_alias(FunctionName=function, Name=LIVE_ALIAS, FunctionVersion=version)

    def onboard(self, *options: str) -> None:
        for property_id, zone in ZONES.items():
            client = next(one for one in self._pms.doors.properties() if one["property_id"] == property_id)
            self.insists(
                *("onboard", "--vendor", "hostpms", "--property-id", property_id, "--time-zone", zone),
                *("--base-url", self._pms.base_url, "--client-id", client["client_id"], *options),
                seconds=120,
                POUSADA_CLIENT_SECRET=client["client_secret"],
            )

    # -- By the clock ----------------------------------------------------------------------------
    def dispatch(self) -> None:
        """What the schedule does every hour."""
        name = self.local.names.function("dispatcher")
        client = self.local.client("lambda")
        client.invoke(FunctionName=name, Qualifier=LIVE_ALIAS, InvocationType="Event", Payload=b"{}")

    def start_job(self) -> None:
        """What the schedule does every hour. One run at a time, which Glue sees to and the embedded AWS does not."""
        with self._one_at_a_time:
            if not self.job_is_at_work():
                self.local.client("glue").start_job_run(JobName=self.local.names.glue_job)

    def job_is_at_work(self) -> bool:
        runs = self.local.client("glue").get_job_runs(JobName=self.local.names.glue_job)["JobRuns"]
        return any(run["JobRunState"] in ("STARTING", "RUNNING") for run in runs)

    # -- After -----------------------------------------------------------------------------------
    def depths(self) -> dict[str, int]:
        return {queue.name.rpartition("-")[2]: queue.depth().total for queue in self._queues}

    def dead_letters(self) -> int:
        return sum(queue.depth().total for queue in self._dead_letters)

    def settle(self, seconds: float) -> int:
        """Until every queue has been empty for a while, dead letters sent back; returns how many those were."""
        redriven, quiet = 0, 0

        def settled() -> bool:
            nonlocal redriven, quiet
            if dead := self.dead_letters():
                redriven += dead
                self.tries("dead-letters", "redrive")
            quiet = 0 if dead or any(self.depths().values()) else quiet + 1
            return quiet > 10

        eventually(settled, f"empty queues ({self.depths()})", seconds)
        return redriven

    def audit(self) -> dict[str, Any]:
        since = f"{datetime.now(UTC) - timedelta(days=1):%Y-%m-%d}"
        done = self.run("audit", "--since", since, "--grace", "0", "--json")
        assert done.stdout, done.stderr
        return dict(msgspec.json.decode(done.stdout))
