"""The Glue job's runs: whether one is at work, and a new one."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

_AT_WORK = frozenset({"STARTING", "RUNNING", "STOPPING", "WAITING"})
_CUT_OFF = frozenset({"TIMEOUT", "STOPPED", "FAILED", "ERROR"})
_SINCE = timedelta(hours=1)
"""Between two calls: what ended before that, the call before has seen."""


class JobRuns:
    """``client`` is a boto3 Glue client."""

    def __init__(self, job: str, client: Any) -> None:
        self._job = job
        self._client = client

    def at_work(self) -> str | None:
        """The id of the run that has not ended. There is one at most: the job allows no second (infra/)."""
        return next((str(run["Id"]) for run in self._newest() if run["JobRunState"] in _AT_WORK), None)

    def untold(self, now: datetime) -> timedelta | None:
        """How long the longest run has lasted that has not told so itself: one that is at work, or that was ended
        within the last hour before it could, as by its time limit. None where there is no such run."""
        lasted = (_lasted(run, now) for run in self._newest())
        return max((one for one in lasted if one is not None), default=None)

    def _newest(self) -> list[dict[str, Any]]:
        return list(self._client.get_job_runs(JobName=self._job)["JobRuns"])

    def start(self) -> str | None:
        """The id of the new run; where another was quicker, or an answer was lost on its way to us, that one's."""
        try:
            return str(self._client.start_job_run(JobName=self._job)["JobRunId"])
        except self._client.exceptions.ConcurrentRunsExceededException:
            return self.at_work()


def _lasted(run: dict[str, Any], now: datetime) -> timedelta | None:
    if run["JobRunState"] in _AT_WORK:
        return now - run["StartedOn"]  # type: ignore[no-any-return]
    ended = run.get("CompletedOn")
    if run["JobRunState"] in _CUT_OFF and ended and now - ended <= _SINCE:
        return ended - run["StartedOn"]  # type: ignore[no-any-return]
    return None
