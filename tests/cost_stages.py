"""Stages made by hand for the tests of the cost, and what they come to."""

from __future__ import annotations

from typing import Any

from scripts.cost.charges import Charge
from scripts.cost.estimate import estimate
from scripts.cost.standing import standing
from scripts.cost.templates import Resources
from scripts.cost.traffic import Traffic

HUNDRED = Traffic(hotels=100, bookings_per_day=12)
DATABASE = {"DBInstanceClass": "db.t4g.small", "MultiAZ": True, "AllocatedStorage": "20", "StorageType": "gp3"}


def stage(**resources: tuple[str, dict[str, Any]]) -> Resources:
    """A hand-made template: logical ids with type and properties."""
    made = {id: {"Type": f"AWS::{kind}", "Properties": properties} for id, (kind, properties) in resources.items()}
    return Resources.of_templates([{"Resources": made}])


def function(folder: str, **properties: Any) -> tuple[str, dict[str, Any]]:
    base = {"Handler": f"lambdas.{folder}.handler.handle", "MemorySize": 512, "Environment": {"Variables": {}}}
    return "Lambda::Function", {**base, **properties}


def owed(kind: str, months: int = 1, **properties: Any) -> float:
    return sum(charge.usd for charge in standing(stage(it=(kind, properties)), months))


def used(resources: Resources, service: str, traffic: Traffic = HUNDRED) -> dict[str, Charge]:
    return {charge.what: charge for charge in estimate(resources, traffic).charges if charge.service == service}
