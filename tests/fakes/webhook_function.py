"""The webhook function whole, with stores in memory."""

from __future__ import annotations

import contextlib
import io
import json
from types import ModuleType
from typing import Any

import pytest

from lambdas.webhook import handler, telemetry
from lambdas.webhook.receiver import Receiver
from shared.storage.secret_stores import SecretsManager
from shared.storage.secrets import Secrets
from tests.deliveries import NOW, PROPERTY, SECRET, lambda_context
from tests.fakes.webhook import FakeLanding, FakeSecretsManager


class Function:
    """The handler with in-memory stores, its log and its metrics."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, module: ModuleType = handler) -> None:
        self._module = module
        self.landing = FakeLanding()
        self.store = FakeSecretsManager()
        self.store.hold(PROPERTY, current=SECRET)
        self.log = io.StringIO()
        receiver = Receiver(Secrets(SecretsManager(lambda: self.store)), self.landing, clock=lambda: NOW)
        monkeypatch.setattr(module, "receiver", lambda: receiver)
        monkeypatch.setattr(telemetry.logger.registered_handler, "stream", self.log)

    def handle(self, event: Any) -> dict[str, Any]:
        with contextlib.redirect_stdout(self.log):
            answer: dict[str, Any] = self._module.handle(event, lambda_context())
        return answer

    def forget(self) -> None:
        """What it has taken, asked and said so far; not the secrets it knows."""
        self.landing.landed.clear()
        self.store.reads.clear()
        self.log.seek(0)
        self.log.truncate()

    def call(self, event: Any) -> tuple[int, dict[str, Any]]:
        self.answer = self.handle(event)
        return self.answer["statusCode"], json.loads(self.answer["body"])

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [line for line in self._written() if "_aws" not in line]

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """Per call: the metrics' values and their dimensions."""
        return [
            {key: value for key, value in line.items() if key != "_aws"} for line in self._written() if "_aws" in line
        ]

    def _written(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.getvalue().splitlines()]
