"""How many deliveries are traced; and that where traces are switched off, nothing is."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.names import API_STAGE
from tests.infra.templates import Synthesised, synthesise, words

pytestmark = pytest.mark.infra

RULES = "AWS::XRay::SamplingRule"


def test_a_rule_takes_the_configured_share_of_what_the_api_is_sent_and_of_nothing_else(aws_stage: Synthesised):
    (found,) = aws_stage.properties(RULES).values()
    (api,) = aws_stage.properties("AWS::ApiGateway::RestApi").values()
    (deployed,) = aws_stage.properties("AWS::ApiGateway::Stage").values()
    rule = found["SamplingRule"]

    # As X-Ray calls the service: by name alone, since a rule's ARN would have to be known before the API is.
    assert rule["ServiceName"] == f"{api['Name']}/{API_STAGE}"
    assert deployed["StageName"] == API_STAGE
    assert rule["ServiceType"] == "AWS::ApiGateway::Stage"
    assert (rule["FixedRate"], rule["ReservoirSize"]) == (aws_stage.config.observability.traced_deliveries, 0)
    assert {rule[of] for of in ("Host", "HTTPMethod", "URLPath", "ResourceARN")} == {"*"}


def test_all_may_be_traced(tmp_path: Path):
    opted = synthesise(tmp_path, stages="dev-eu-west-1", observability={"traced_deliveries": 1})["dev-eu-west-1"]

    (found,) = opted.properties(RULES).values()

    assert found["SamplingRule"]["FixedRate"] == 1


def test_switched_off_nothing_is_traced_and_nobody_may(no_option: Synthesised):
    (deployed,) = no_option.properties("AWS::ApiGateway::Stage").values()
    functions = no_option.properties("AWS::Lambda::Function").values()

    assert no_option.properties(RULES) == {}
    # API Gateway's own decision is followed by the function behind it.
    assert deployed["TracingEnabled"] is False
    assert {function["Handler"]: function.get("TracingConfig", {}).get("Mode") for function in functions} == {
        function["Handler"]: None for function in functions
    }
    assert not [a for _, s in no_option.statements() for a in words(s["Action"]) if a.startswith("xray:")]


def test_the_embedded_aws_samples_nothing(local: Synthesised):
    assert local.properties(RULES) == {}
