"""One step of a rotation that Secrets Manager leads: whose secret it is, and the version that is offered."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

import msgspec

from lambdas.rotate import telemetry
from lambdas.rotate.workplace import WEBHOOK_SECRET, Workplace
from shared.decoding import UNREADABLE
from shared.errors import Misconfigured
from shared.pipeline import managed_rotation
from shared.pipeline.managed_rotation import Step
from shared.pipeline.rotation import Leg
from shared.segments import is_segment
from shared.storage.secret_versions import SecretVersion, secret_version


class StepEvent(msgspec.Struct, frozen=True, rename="pascal"):
    """What Secrets Manager invokes a rotation function with."""

    step: Step
    secret_id: Annotated[str, msgspec.Meta(min_length=1)]
    """Its ARN."""
    client_request_token: Annotated[str, msgspec.Meta(min_length=1)]
    """The version's id."""


def decode(event: Any) -> StepEvent:
    """Raises Misconfigured: whoever sent it is not Secrets Manager."""
    try:
        return msgspec.convert(event, StepEvent)
    except UNREADABLE:
        raise Misconfigured("not a step of Secrets Manager's", fix="docs/secrets.md") from None


def take(event: Any, at: Workplace, deadline: datetime, sleep: Callable[[float], None] = time.sleep) -> None:
    """Raises what ``managed_rotation.take`` raises, NotFound (no such hotel) and Misconfigured (not our secret)."""
    try:
        _take(decode(event), at, deadline, sleep)
    except Exception as error:
        telemetry.failed(error, "step failed")
        raise


def _take(asked: StepEvent, at: Workplace, deadline: datetime, sleep: Callable[[float], None]) -> None:
    version = secret_version(at.secrets_manager, asked.secret_id, asked.client_request_token)
    vendor, property_id = _whose(version)
    telemetry.stepping(vendor, property_id, asked.step)
    desk = at.desk(at.integrations.get(property_id, vendor), deadline)
    if desk.tell is None and asked.step == "createSecret":
        telemetry.ended(vendor, Leg("untold"))
    managed_rotation.take(asked.step, version, desk, sleep)
    telemetry.stepped(vendor, asked.step, is_done=version.is_current)


def _whose(version: SecretVersion) -> tuple[str, str]:
    match version.name.split("/"):
        case [vendor, property_id, kind] if kind == WEBHOOK_SECRET and is_segment(vendor) and is_segment(property_id):
            return vendor, property_id
    raise Misconfigured(f"{version.name} is no webhook secret", fix="take its rotation off")
