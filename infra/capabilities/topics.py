"""Whom something is told: a topic that wakes somebody, and one that is read in the morning."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import Annotations
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from infra.capabilities.permissions import of_this_account
from infra.config import StageConfig
from infra.target import Target

# Alarms, budgets, and the cost anomalies.
_TELLING = ("cloudwatch.amazonaws.com", "budgets.amazonaws.com", "costalerts.amazonaws.com")


class Topics(Construct):
    """``page`` and ``mail``, encrypted with a key of their own: AWS's key for SNS lets no alarm publish."""

    def __init__(self, scope: Construct, id: str, *, config: StageConfig, target: Target) -> None:
        super().__init__(scope, id)
        self._key = kms.Key(
            self,
            "Key",
            alias=f"alias/{config.names.named('topics')}",
            description=f"Pousada {config.name}: what alarms and budgets tell",
            enable_key_rotation=True,
            removal_policy=target.removal,
        )
        self._let_them_use_the_key()
        observability = config.observability
        if config.target == "aws" and not observability.page:
            nobody = "observability.page in cdk.json names nobody: no alarm of this stage wakes anybody"
            Annotations.of(self).add_warning_v2("pousada:nobody-is-paged", nobody)
        self.page = self._topic("Page", config.names.page_topic, observability.page)
        self.mail = self._topic("Mail", config.names.mail_topic, observability.mail)

    def _let_them_use_the_key(self) -> None:
        statement = iam.PolicyStatement(
            principals=_telling(),
            actions=["kms:Decrypt", "kms:GenerateDataKey"],
            resources=["*"],
            conditions=of_this_account(self),
        )
        self._key.add_to_resource_policy(statement)

    def _topic(self, id: str, name: str, subscribers: Sequence[str]) -> sns.Topic:
        topic = sns.Topic(self, id, topic_name=name, master_key=self._key, enforce_ssl=True)
        # With a policy of its own a topic no longer has the default one, by which its account's alarms may publish.
        topic.add_to_resource_policy(
            iam.PolicyStatement(
                principals=_telling(),
                actions=["sns:Publish"],
                resources=[topic.topic_arn],
                conditions=of_this_account(self),
            )
        )
        for subscriber in subscribers:
            topic.add_subscription(_subscription(subscriber))
        return topic


def _telling() -> list[iam.IPrincipal]:
    return [iam.ServicePrincipal(service) for service in _TELLING]


def _subscription(subscriber: str) -> sns.ITopicSubscription:
    if subscriber.startswith("https://"):
        return subscriptions.UrlSubscription(subscriber)
    return subscriptions.EmailSubscription(subscriber)
