"""The trail, the bucket nobody deletes from, budget and anomalies."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from aws_cdk import App, Stack
from aws_cdk import aws_sns as sns
from aws_cdk.assertions import Template

from infra.capabilities.budgets import REGIONS_WITHOUT_ANOMALIES, REGIONS_WITHOUT_BUDGETS, Budgets
from infra.findings import accepted
from tests.infra.policies import ACCOUNT, read, references
from tests.infra.templates import REPOSITORY, Resource, Synthesised, words

pytestmark = pytest.mark.infra

# -- Trail -----------------------------------------------------------------------------------------


def trail(stage: Synthesised) -> Resource:
    (found,) = stage.properties("AWS::CloudTrail::Trail").values()
    return found


def selectors(stage: Synthesised) -> dict[str, dict[str, Any]]:
    """By name: each field, and what it is compared with."""
    return {
        selector["Name"]: {field.pop("Field"): field for field in map(dict, selector["FieldSelectors"])}
        for selector in trail(stage)["AdvancedEventSelectors"]
    }


def test_the_trail_is_of_all_regions_validated_and_at_work(plain: Synthesised):
    found = trail(plain)
    assert (found["IsLogging"], found["EnableLogFileValidation"]) == (True, True)
    assert found["IsMultiRegionTrail"] is True, "who changed a role is an event of us-east-1"
    assert found["IncludeGlobalServiceEvents"] is True, "CloudTrail takes no trail of all regions without"


def test_a_second_stage_of_an_account_records_its_own_region_alone(plain: Synthesised, every_option: Synthesised):
    assert trail(every_option)["IsMultiRegionTrail"] is False
    skipped = {one.rule: one.reason for one in accepted(every_option.stage)}
    assert "has a trail of all regions already" in skipped["CKV_AWS_67"]
    assert "CKV_AWS_67" not in {one.rule for one in accepted(plain.stage)}


def test_reads_and_writes_of_raw_and_processed_objects_are_recorded(aws_stage: Synthesised):
    names, lake = aws_stage.config.names, selectors(aws_stage)["lake"]
    assert lake.keys() == {"eventCategory", "resources.type", "resources.ARN"}, "no readOnly, which leaves one out"
    assert lake["eventCategory"] == {"Equals": ["Data"]}
    assert lake["resources.type"] == {"Equals": ["AWS::S3::Object"]}
    # With the slash: else a bucket whose name goes on would be meant as well.
    buckets = [f"arn:aws:s3:::{bucket}/" for bucket in (names.raw_bucket, names.processed_bucket)]
    assert lake["resources.ARN"] == {"StartsWith": buckets}


def test_the_use_of_the_hotels_secrets_is_recorded(aws_stage: Synthesised):
    secrets = selectors(aws_stage)["hotel-secrets"]
    (table,) = secrets.pop("resources.ARN")["Equals"]
    assert secrets == {"eventCategory": {"Equals": ["Data"]}, "resources.type": {"Equals": ["AWS::DynamoDB::Table"]}}
    assert (
        references(aws_stage)
        .text(table, "governance")
        .endswith(f":{ACCOUNT}:table/{aws_stage.config.names.hotel_secrets_table}")
    )


def test_management_events_are_recorded_unless_the_account_has_a_trail_for_them(
    plain: Synthesised, every_option: Synthesised
):
    assert selectors(plain)["management"] == {"eventCategory": {"Equals": ["Management"]}}
    assert selectors(every_option).keys() == {"lake", "hotel-secrets"}


def test_the_trail_begins_when_its_bucket_lets_it_write(aws_stage: Synthesised):
    (resource,) = aws_stage.resources("AWS::CloudTrail::Trail").values()
    assert any("BucketPolicy" in dependency for dependency in resource["DependsOn"])


def test_the_trail_goes_to_cloudwatch_logs_where_that_is_asked_for(plain: Synthesised, every_option: Synthesised):
    assert "CloudWatchLogsLogGroupArn" not in trail(plain)
    assert trail(every_option).keys() >= {"CloudWatchLogsLogGroupArn", "CloudWatchLogsRoleArn"}
    allowed = {action for s in every_option.allowed("TrailLogsRole") for action in words(s["Action"])}
    assert allowed == {"logs:CreateLogStream", "logs:PutLogEvents"}
    log = every_option.named("AWS::Logs::LogGroup", f"/aws/cloudtrail/{trail(every_option)['TrailName']}")
    assert log["KmsKeyId"] == trail(every_option)["KMSKeyId"]
    assert log["RetentionInDays"] == every_option.config.log_retention_days


# -- Its bucket ------------------------------------------------------------------------------------


def bucket(stage: Synthesised) -> Resource:
    return stage.named("AWS::S3::Bucket", stage.config.names.trail_bucket)


def statements(stage: Synthesised) -> list[Resource]:
    policies = {i: p for i, p in stage.properties("AWS::S3::BucketPolicy").items() if i.startswith("governance/")}
    (policy,) = policies.values()
    return list(policy["PolicyDocument"]["Statement"])


def test_production_is_locked_for_good_and_what_may_be_thrown_away_is_not(aws_stage: Synthesised):
    mode = bucket(aws_stage)["ObjectLockConfiguration"]["Rule"]["DefaultRetention"]["Mode"]
    assert mode == ("COMPLIANCE" if aws_stage.config.name.startswith("prod-") else "GOVERNANCE")


@pytest.mark.parametrize(("name", "mode", "days"), [("plain", "COMPLIANCE", 365), ("every_option", "GOVERNANCE", 730)])
def test_a_log_file_is_locked(name: str, mode: str, days: int, request: pytest.FixtureRequest):
    found = bucket(request.getfixturevalue(name))
    assert found["ObjectLockEnabled"] is True
    assert found["VersioningConfiguration"] == {"Status": "Enabled"}
    assert found["ObjectLockConfiguration"]["Rule"]["DefaultRetention"] == {"Days": days, "Mode": mode}


def test_a_log_file_goes_after_its_lock_and_not_before(aws_stage: Synthesised, every_option: Synthesised):
    for stage in (aws_stage, every_option):
        (rule,) = bucket(stage)["LifecycleConfiguration"]["Rules"]
        assert rule["ExpirationInDays"] > stage.config.governance.trail_retention_days
        assert rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": 1}


def test_nobody_may_delete_a_log_file_or_pass_the_lock_by(aws_stage: Synthesised):
    denied = [s for s in statements(aws_stage) if s["Effect"] == "Deny" and "Condition" not in s]
    (denial,) = denied
    assert denial["Principal"] == {"AWS": "*"}
    assert {"s3:DeleteObject", "s3:DeleteObjectVersion", "s3:BypassGovernanceRetention"} <= set(denial["Action"])
    assert '"/*"' in json.dumps(denial["Resource"])
    # What nobody could undo: no deployment could mend the policy, and no administrator.
    assert not [action for action in denial["Action"] if "Policy" in action]


def test_the_trail_alone_may_write_and_only_this_one(aws_stage: Synthesised):
    bucket = f"arn:aws:s3:::{aws_stage.config.names.trail_bucket}"
    assert let_in(aws_stage, "AWS::S3::BucketPolicy") == [
        ("cloudtrail.amazonaws.com", {"s3:GetBucketAcl"}, (bucket,), of_this_trail(aws_stage)),
        ("cloudtrail.amazonaws.com", {"s3:PutObject"}, (f"{bucket}/AWSLogs/{ACCOUNT}/*",), of_this_trail(aws_stage)),
    ]


def let_in(stage: Synthesised, kind: str) -> list[tuple[str, set[str], tuple[str, ...], Any]]:
    """By the stack's policies of that kind: which service, to do what, on what, and on which condition."""
    return [
        (s.principals[0][1], set(s.actions), s.resources, s.conditions)
        for s in read(stage).of("resource")
        if s.where.startswith("governance/") and s.guarded == kind and s.principals[0][0] == "Service"
    ]


def of_this_trail(stage: Synthesised) -> dict[str, Any]:
    name = trail(stage)["TrailName"]
    arn = f"arn:aws:cloudtrail:{stage.config.region}:{ACCOUNT}:trail/{name}"
    return {"StringEquals": {"aws:SourceArn": (arn,)}}


def test_the_bucket_is_encrypted_with_the_audits_own_key_and_its_accesses_are_logged(aws_stage: Synthesised):
    (rule,) = bucket(aws_stage)["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    (key,) = rule["ServerSideEncryptionByDefault"]["KMSMasterKeyID"]["Fn::GetAtt"][:1]
    assert trail(aws_stage)["KMSKeyId"] == {"Fn::GetAtt": [key, "Arn"]}
    aliases = [alias["AliasName"] for alias in aws_stage.properties("AWS::KMS::Alias").values()]
    assert f"alias/{aws_stage.config.names.named('audit')}" in aliases
    names = aws_stage.config.names
    logged = {"DestinationBucketName": names.named("access-logs"), "LogFilePrefix": f"{names.trail_bucket}/"}
    assert bucket(aws_stage)["LoggingConfiguration"] == logged


def test_the_access_log_bucket_takes_what_is_logged_of_the_trails_bucket(aws_stage: Synthesised):
    policies = aws_stage.properties("AWS::S3::BucketPolicy").values()
    taking = [
        s
        for p in policies
        for s in p["PolicyDocument"]["Statement"]
        if s["Effect"] == "Allow" and aws_stage.config.names.trail_bucket in json.dumps(s.get("Condition", {}))
    ]
    assert [(s["Action"], s["Principal"]) for s in taking] == [
        ("s3:PutObject", {"Service": "logging.s3.amazonaws.com"}),
    ]


def test_the_key_serves_this_trail_and_its_account(plain: Synthesised, every_option: Synthesised):
    sealing = {"kms:GenerateDataKey", "kms:GenerateDataKeyWithoutPlaintext", "kms:DescribeKey"}
    for stage in (plain, every_option):
        key = (f"arn:aws:kms:{stage.config.region}:{ACCOUNT}:key/{stage.config.names.named('audit')}",)
        service, *logs = let_in(stage, "AWS::KMS::Key")
        assert service == ("cloudtrail.amazonaws.com", sealing, key, of_this_trail(stage))
        group = f"arn:aws:logs:{stage.config.region}:{ACCOUNT}:log-group:/aws/cloudtrail/{trail(stage)['TrailName']}"
        reading = {"kms:Encrypt", "kms:Decrypt", "kms:ReEncryptFrom", "kms:ReEncryptTo"}
        on = {"ArnEquals": {"kms:EncryptionContext:aws:logs:arn": (group,)}}
        told = stage.config.governance.trail_to_logs
        assert logs == ([(f"logs.{stage.config.region}.amazonaws.com", sealing | reading, key, on)] if told else [])


# -- Budget and anomalies --------------------------------------------------------------------------


def test_a_budget_is_made_wherever_cloudformation_can(aws_stage: Synthesised):
    budgets = aws_stage.properties("AWS::Budgets::Budget")
    assert bool(budgets) == (aws_stage.config.region not in REGIONS_WITHOUT_BUDGETS)
    for budget in budgets.values():
        limit = aws_stage.config.governance.monthly_budget_usd
        assert budget["Budget"]["BudgetLimit"] == {"Amount": limit, "Unit": "USD"}


def test_the_budget_is_of_this_application_in_this_stage(every_option: Synthesised):
    (budget,) = every_option.properties("AWS::Budgets::Budget").values()
    assert (budget["Budget"]["BudgetType"], budget["Budget"]["TimeUnit"]) == ("COST", "MONTHLY")
    assert budget["Budget"]["BudgetLimit"]["Amount"] == 250
    assert budget["Budget"]["Metrics"] == ["UnblendedCost"]
    tags = {one["Tags"]["Key"]: one["Tags"]["Values"] for one in budget["Budget"]["FilterExpression"]["And"]}
    assert tags == {"application": ["pousada"], "stage": ["prod-eu-west-1"]}


def test_budget_and_anomalies_are_told_by_mail(every_option: Synthesised):
    to = ["platform@hotel.example", "finance@hotel.example"]
    (budget,) = every_option.properties("AWS::Budgets::Budget").values()
    told = budget["NotificationsWithSubscribers"]
    above = {"ComparisonOperator": "GREATER_THAN", "ThresholdType": "PERCENTAGE"}
    assert [one["Notification"] for one in told] == [
        {"NotificationType": kind, "Threshold": percent, **above}
        for kind, percent in (("ACTUAL", 80), ("ACTUAL", 100), ("FORECASTED", 100))
    ]
    for one in told:
        assert {"SubscriptionType": "EMAIL", "Address": to[0]} in one["Subscribers"]
        assert [s["Address"] for s in one["Subscribers"] if s["SubscriptionType"] == "EMAIL"] == to
    # Mail is sent no sooner.
    subscriptions = every_option.properties("AWS::CE::AnomalySubscription").values()
    (subscription,) = (one for one in subscriptions if one["Frequency"] == "DAILY")
    assert subscription["Subscribers"] == [{"Type": "EMAIL", "Address": address} for address in to]
    impact = {"Key": "ANOMALY_TOTAL_IMPACT_ABSOLUTE", "MatchOptions": ["GREATER_THAN_OR_EQUAL"], "Values": ["15"]}
    assert json.loads(subscription["ThresholdExpression"]) == {"Dimensions": impact}


def test_the_budget_that_is_made_by_hand_is_the_same(plain: Synthesised):
    (budget,) = plain.properties("AWS::Budgets::Budget").values()
    page = (REPOSITORY / "docs" / "governance.md").read_text(encoding="utf-8").replace("\\", "")
    by_hand = page[page.index("aws budgets create-budget") :].partition("```")[0]
    shown = re.findall(r'"NotificationType": "(\w+)", \$above, "Threshold": (\d+)', by_hand)
    made = [one["Notification"] for one in budget["NotificationsWithSubscribers"]]
    assert shown == [(one["NotificationType"], str(one["Threshold"])) for one in made]
    for tag in budget["Budget"]["FilterExpression"]["And"]:
        assert f'"Key": "{tag["Tags"]["Key"]}"' in by_hand


def test_anomalies_are_looked_for_in_this_stages_costs(aws_stage: Synthesised):
    (monitor,) = aws_stage.properties("AWS::CE::AnomalyMonitor").values()
    assert monitor["MonitorType"] == "CUSTOM"
    assert json.loads(monitor["MonitorSpecification"]) == {
        "Tags": {"Key": "stage", "Values": [aws_stage.config.name]},
    }


def test_where_nobody_is_named_the_topic_for_mail_is_told(plain: Synthesised):
    assert plain.config.governance.notify == ()
    (subscription,) = plain.properties("AWS::CE::AnomalySubscription").values()
    (to,) = subscription["Subscribers"]
    assert to["Type"] == "SNS"
    assert ":ExportsOutputRefTopicsMail" in to["Address"]["Fn::ImportValue"]
    for budget in plain.properties("AWS::Budgets::Budget").values():
        for one in budget["NotificationsWithSubscribers"]:
            assert one["Subscribers"] == [{"SubscriptionType": "SNS", "Address": to["Address"]}]


@pytest.mark.parametrize("region", ["mx-central-1", "ap-east-2"])
def test_where_cloudformation_has_neither_budget_nor_monitor_none_is_made(region: str, plain: Synthesised):
    assert region in REGIONS_WITHOUT_ANOMALIES & REGIONS_WITHOUT_BUDGETS
    stack = Stack(App(), "bare")
    Budgets(stack, "Budgets", config=plain.config.model_copy(update={"region": region}), topic=sns.Topic(stack, "Mail"))
    made = {r["Type"] for r in Template.from_stack(stack).to_json()["Resources"].values()}
    assert made == {"AWS::SNS::Topic"}


def test_a_topic_is_told_as_well_and_of_anomalies_at_once(every_option: Synthesised):
    stack = Stack(App(), "bare")
    Budgets(stack, "Budgets", config=every_option.config, topic=sns.Topic(stack, "Mail"))
    template = Template.from_stack(stack)
    subscriptions = template.find_resources("AWS::CE::AnomalySubscription").values()
    assert {s["Properties"]["Frequency"] for s in subscriptions} == {"DAILY", "IMMEDIATE"}
    (budget,) = template.find_resources("AWS::Budgets::Budget").values()
    (mail,) = template.find_resources("AWS::SNS::Topic")
    for one in budget["Properties"]["NotificationsWithSubscribers"]:
        assert {"SubscriptionType": "SNS", "Address": {"Ref": mail}} in one["Subscribers"]
        assert len(one["Subscribers"]) == 1 + len(every_option.config.governance.notify)
