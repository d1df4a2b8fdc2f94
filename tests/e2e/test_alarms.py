"""Every alarm, deployed: it goes off, its topic tells a queue, and it is over again.

The embedded CloudWatch evaluates an alarm on one metric, percentiles as well, at each value that is put; of the
dimensions it takes no notice. It knows no metric maths: such an alarm watches a metric of its own name there
(``metric_maths`` in infra/target.py), and its expression is tried in tests/infra/test_alarm_maths.py. Nor does it
notice missing data: what rings at silence is set to ALARM by hand here, which proves the way from there on.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from infra.alarms import alarms
from infra.alarms.definition import OURS, Alarm, Metric
from infra.config import StageConfig
from scripts.local.stack import LocalStack
from shared.names import Names
from tests.e2e.logs import log_text
from tests.e2e.waiting import eventually

CONFIG = StageConfig(name="local", target="local", region="eu-west-1", vendors=("hostpms",))
TABLE = {alarm.name: alarm for alarm in alarms(CONFIG, ["any"])}
OF_SILENCE = {"watch-silent"}
"""It counts the samples, and one that is there is never too few."""
STAYS = timedelta(seconds=6)
"""So long the bad value lies in the time that an alarm looks back on."""
MANY = 100_000
"""Values at once: what other tests' calls have left there weighs nothing beside."""

Told = tuple[str, str]
"""An alarm and the state it went to."""


@dataclass
class Listener:
    """A queue that is subscribed to a topic."""

    sqs: Any
    url: str
    told: list[Told] = field(default_factory=list)

    def has(self, *expected: Told) -> bool:
        messages = self.sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10).get("Messages", [])
        for message in messages:
            told = json.loads(json.loads(message["Body"])["Message"])
            self.told.append((told["AlarmName"], told["NewStateValue"]))
            self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return set(expected) <= set(self.told)


@dataclass
class Alarms:
    """The deployed ones, and who listens."""

    local: LocalStack
    page: Listener
    mail: Listener

    def __post_init__(self) -> None:
        self._client = self.local.client("cloudwatch")
        pages = self._client.get_paginator("describe_alarms").paginate(AlarmNamePrefix=self.local.names.named(""))
        prefix = self.local.names.named("")
        self.deployed = {
            alarm["AlarmName"].removeprefix(prefix): alarm for page in pages for alarm in page["MetricAlarms"]
        }

    def put(self, name: str, *, ringing: bool) -> None:
        """A value on the one side of the table's threshold or on the other, of the table's metric: the deployed alarm
        is not asked what it is on. The bad one is soon too old to count."""
        alarm, now = TABLE[name], datetime.now(UTC)
        metric = Metric(OURS, alarm.name) if alarm.expression else alarm.metrics[0]
        looked_back = timedelta(minutes=alarm.minutes * alarm.periods)
        of_all = metric.statistic == "Average" or metric.statistic.startswith("p")
        datum = {
            "MetricName": metric.name,
            "Dimensions": [{"Name": name, "Value": value} for name, value in metric.dimensions.items()],
            "Timestamp": now - looked_back + STAYS if ringing else now,
            "Values": [0.0 if ringing == alarm.below else alarm.threshold * 2 + 1],
            "Counts": [MANY if of_all else 1],
        }
        self._client.put_metric_data(Namespace=metric.namespace_in(CONFIG), MetricData=[datum])

    def set_state(self, name: str, state: str) -> None:
        self._client.set_alarm_state(
            AlarmName=self.local.names.named(name), StateValue=state, StateReason="it is tried"
        )

    def all_told(self, state: str) -> None:
        for severity, listener in (("page", self.page), ("warn", self.mail)):
            expected = [
                (self.local.names.named(alarm.name), state) for alarm in TABLE.values() if alarm.severity == severity
            ]
            eventually(partial(listener.has, *expected), f"every {severity} to be told {state}")


@pytest.fixture(scope="module")
def rung(deployed: LocalStack) -> Alarms:
    """Each alarm has gone off, and is over."""
    page, mail = (listening(deployed, name) for name in (deployed.names.page_topic, deployed.names.mail_topic))
    at = Alarms(deployed, page, mail)
    for state, ringing in (("ALARM", True), ("OK", False)):
        for name in TABLE:
            if name in OF_SILENCE:
                at.set_state(name, state)
            else:
                at.put(name, ringing=ringing)
        at.all_told(state)
        time.sleep(STAYS.total_seconds() if ringing else 0)
    return at


def listening(local: LocalStack, topic: str) -> Listener:
    sns, sqs = local.client("sns"), local.client("sqs")
    (arn,) = (one["TopicArn"] for one in sns.list_topics()["Topics"] if one["TopicArn"].endswith(f":{topic}"))
    url = sqs.create_queue(QueueName=f"{topic}-listener")["QueueUrl"]
    queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=queue)
    return Listener(sqs, url)


@pytest.mark.parametrize("alarm", TABLE.values(), ids=TABLE)
def test_an_alarm_goes_off_and_is_over_and_tells_its_own_topic_alone(rung: Alarms, alarm: Alarm) -> None:
    name = rung.local.names.named(alarm.name)
    own, other = (rung.page, rung.mail) if alarm.severity == "page" else (rung.mail, rung.page)

    states = [state for told, state in own.told if told == name]
    assert states[states.index("ALARM") :] == ["ALARM", "OK"]
    assert name not in {told for told, _ in other.told}


def test_every_alarm_of_the_table_is_deployed_and_no_other(rung: Alarms) -> None:
    # Those that a deployment heeds tell nobody (tests/infra/test_deployment.py).
    assert {name for name in rung.deployed if not name.startswith("rollback-")} == TABLE.keys()


@pytest.fixture
def dead_letter(deployed: LocalStack) -> Iterator[str]:
    queue = Names.dead_letters_of(deployed.names.function("dispatcher"))
    sqs = deployed.client("sqs")
    url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="{}")
    yield queue
    sqs.purge_queue(QueueUrl=url)


def test_the_watch_runs_deployed_and_counts_a_dead_letter(deployed: LocalStack, dead_letter: str) -> None:
    answer = deployed.client("lambda").invoke(FunctionName=deployed.names.function("watch"), Payload=b"{}")
    assert "FunctionError" not in answer, answer["Payload"].read()

    def counted() -> bool:
        text = "\n".join(log_text(deployed))
        return '"RawObjectsUnbatched"' in text and f'"queue":"{dead_letter}"' in text

    eventually(counted, "the watch's metrics in its log")
