"""What is logged and counted of an audit. Addresses, kinds and counts: nothing of a record gets here.

Metrics (namespace of the stage; dimensions service and vendor), one set for each leg of a hotel's audit, zeros as well:

    AuditedHotels       count; 1 for the leg that came to the hotel's end, else 0
    AuditedObjects      count; raw objects looked at
    AuditedRecords      count; records read in them
    AuditFindings       count; what is not accounted for
"""

from __future__ import annotations

import traceback

import msgspec
from aws_lambda_powertools.logging import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics

from shared.errors import Misconfigured, PousadaError
from shared.pipeline.audit_orders import HotelAudit
from shared.pipeline.daily_audit import Leg
from shared.pipeline.sync_runs import described

logger = Logger(service="pousada")


def begin(message_id: str) -> None:
    logger.append_keys(message_id=message_id, vendor=None, property_id=None)


def ordered(sent: int, broken: list[Misconfigured]) -> None:
    logger.info("audits ordered", extra={"orders": sent})
    for error in broken:
        logger.error("an integration cannot be read", extra={"cause": described(error)})


def about(order: HotelAudit) -> None:
    logger.append_keys(vendor=order.vendor, property_id=order.property_id)


def ended(order: HotelAudit, leg: Leg, seconds: float) -> None:
    totals = leg.totals
    for finding in leg.findings:
        logger.warning("not accounted for", extra=msgspec.to_builtins(finding))
    facts = {"objects": totals.objects, "young": totals.young, "records": totals.records, "rows": totals.rows}
    facts |= {"repeated": totals.repeated, "replayed": totals.replayed}
    found = {"refused": totals.refused, "found": dict(totals.found), "findings_told": len(leg.findings)}
    rest = {"unreadable_manifests": leg.unreadable, "since": str(order.since), "seconds": round(seconds, 3)}
    outcome = "continued" if leg.continuation else "succeeded"
    logger.info("audit %s", outcome, extra={**facts, **found, **rest})
    _count(order.vendor, leg)


def failed(error: Exception) -> None:
    facts = error.facts if isinstance(error, PousadaError) else {}
    # Where it happened, without the exception's own text: one that is not ours may quote a record.
    frames = traceback.format_tb(error.__traceback__)[-3:]
    logger.error("order given back", extra={"cause": described(error), "frames": frames, **facts})


def _count(vendor: str, leg: Leg) -> None:
    # Not the shared Metrics: one invocation may be given several vendors' orders.
    metrics = EphemeralMetrics(service="pousada")
    metrics.add_dimension("vendor", vendor)
    metrics.add_metric("AuditedHotels", "Count", int(leg.continuation is None))
    metrics.add_metric("AuditedObjects", "Count", leg.totals.objects)
    metrics.add_metric("AuditedRecords", "Count", leg.totals.records)
    metrics.add_metric("AuditFindings", "Count", leg.totals.found.total())
    metrics.flush_metrics()
