"""The Glue job's runs: whether one is at work, and a new one."""

from __future__ import annotations

from typing import Any

_AT_WORK = frozenset({"STARTING", "RUNNING", "STOPPING", "WAITING"})


class JobRuns:
    """``client`` is a boto3 Glue client."""

    def __init__(self, job: str, client: Any) -> None:
        self._job = job
        self._client = client

    def at_work(self) -> str | None:
        """The id of the run that has not ended. There is one at most: the job allows no second (infra/)."""
        newest = self._client.get_job_runs(JobName=self._job)["JobRuns"]
        return next((str(run["Id"]) for run in newest if run["JobRunState"] in _AT_WORK), None)

    def start(self) -> str | None:
        """The id of the new run; where another was quicker, or an answer was lost on its way to us, that one's."""
        try:
            return str(self._client.start_job_run(JobName=self._job)["JobRunId"])
        except self._client.exceptions.ConcurrentRunsExceededException:
            return self.at_work()
