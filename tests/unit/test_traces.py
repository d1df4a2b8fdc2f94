"""From a trace to the hotel: the log's line has both, for a trace has no room for what is known only in the function.

Traces are Lambda's and API Gateway's own. To annotate them, Powertools' Tracer needs the X-Ray SDK, which every cold
start would pay for, and whose support AWS ends in February 2027.
"""

from __future__ import annotations

import io
import json

import pytest

from lambdas.poller import telemetry
from shared.pipeline.polling import Leg
from shared.streams import Stream

TRACE = "1-5759e988-bd862e3fe1be46a994272793"


def test_a_line_of_a_traced_call_names_its_trace_its_hotel_and_its_entity(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setenv("_X_AMZN_TRACE_ID", f"Root={TRACE};Parent=53995c3f42cd8ad8;Sampled=1")
    monkeypatch.setattr(telemetry.logger.registered_handler, "stream", stream)
    hotel = Stream("hostpms", "PT-LIS-001", "booking")
    telemetry.begin("m0")
    telemetry.about(hotel)

    telemetry.ended(hotel, Leg("skipped"), 0.1)

    line = json.loads(stream.getvalue())
    assert line["xray_trace_id"] == TRACE
    assert {name: line[name] for name in Stream._fields} == hotel._asdict()
