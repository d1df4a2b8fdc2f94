"""Observability: gauges, alarms, whom they tell, dashboards. It looks at the other stacks; they know nothing of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from aws_cdk import CfnOutput, Stack, Stage
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.capabilities.alarms import Alarms
from infra.capabilities.dashboards import Dashboards
from infra.capabilities.topics import Topics
from infra.capabilities.watch import Watch
from infra.foundation import Foundation
from shared.names import Names


class ObservabilityStack(Stack):
    """To be made after all the stages' functions and queues. Outputs ``PageTopic`` and ``MailTopic``."""

    def __init__(self, scope: Construct, id: str, *, foundation: Foundation, **props: Any) -> None:
        super().__init__(scope, id, stack_name=foundation.names.stack("observability"), **props)
        config, target = foundation.config, foundation.target
        # A stack of ours is always in one.
        stage = cast(Stage, Stage.of(self))
        queues = sorted(_dead_letter_queues(stage))
        Watch(self, "Watch", foundation=foundation, dead_letter_queues=queues)
        self.topics = Topics(self, "Topics", config=config, target=target)
        functions = sorted(_functions(stage))
        Alarms(self, "Alarms", config=config, target=target, topics=self.topics, functions=functions)
        if config.observability.dashboards:
            Dashboards(self, "Dashboards", config=config, functions=functions)
        CfnOutput(self, "PageTopic", value=self.topics.page.topic_arn)
        CfnOutput(self, "MailTopic", value=self.topics.mail.topic_arn)


def _functions(stage: Stage) -> Iterator[str]:
    """By name: a reference would tie the stacks together, and an alarm needs no more."""
    for found in stage.node.find_all():
        # What CDK brings along for its own ends has no name of ours.
        if isinstance(found, lambda_.CfnFunction) and found.function_name:
            yield found.function_name


def _dead_letter_queues(stage: Stage) -> Iterator[str]:
    for found in stage.node.find_all():
        if (
            isinstance(found, sqs.CfnQueue)
            and found.queue_name
            and found.queue_name.endswith(Names.dead_letters_of(""))
        ):
            yield found.queue_name
