"""AWS calls that fail as often as told: for clients made of boto3's default session afterwards."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import boto3


class Killed(BaseException):
    """What a process dies of: no ``except Exception`` sees it, so nothing is tidied up."""


class Fault:
    """``Fault("s3.PutObject")`` does nothing until told how often to fail, and with what."""

    def __init__(self, operation: str) -> None:
        self.left = 0
        self.calls = 0
        self._after = 0
        self._error: str | BaseException = "InternalError"
        boto3._get_default_session().events.register(f"before-call.{operation}", self._before_call)

    def fail(self, times: int = 1, error: str | BaseException = "InternalError", *, after: int = 0) -> None:
        """``error``: the code AWS answers with, or what is raised in its place; ``after`` so many calls that do not."""
        self.left, self._error, self._after = times, error, after

    def _before_call(self, **_: Any) -> tuple[Any, dict[str, Any]] | None:
        self.calls += 1
        if not self.left:
            return None
        if self._after:
            self._after -= 1
            return None
        self.left -= 1
        if isinstance(self._error, BaseException):
            raise self._error
        refusal = {"Error": {"Code": self._error, "Message": "as told"}, "ResponseMetadata": {"HTTPStatusCode": 500}}
        return SimpleNamespace(status_code=500), refusal
