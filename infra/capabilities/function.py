"""A deployed function of ``lambdas/<folder>/``: its code, role, log group and layer; and the alias it is called by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from aws_cdk import Duration, IgnoreMode, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_event_sources as event_sources
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.capabilities.log import Log
from infra.capabilities.permissions import acknowledge, may_have_interfaces, skip_check
from infra.capabilities.tracing import accept_untraced
from infra.config import StageConfig
from infra.foundation import Foundation
from infra.packages import ARROW, LAYER, MIGRATIONS, PackageArchive
from infra.paths import ROOT
from shared.names import LIVE_ALIAS

RUNTIME = lambda_.Runtime.PYTHON_3_13
# The alias can be moved back by hand. But not of a deployment that failed: Lambda publishes nothing that equals the
# version published last, so that the second try would fail for it.
_KEPT_VERSIONS = lambda_.VersionOptions(removal_policy=RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE)
_WAITED_FOR = "Never invoked asynchronously: API Gateway waits for the answer, SQS keeps its own dead letters."
_NOTHING_BUT_PYTHON = ["__pycache__", "*.pyc", "*.md", "requirements*.txt"]


def code_of(folder: str, *packages: str) -> lambda_.Code:
    """``shared/``, the function's own folder and other ``packages`` of the repository at the root: a change in one
    function redeploys that one."""
    return lambda_.Code.from_asset(
        str(ROOT),
        ignore_mode=IgnoreMode.GIT,
        exclude=[
            "/*",
            *(f"!/{package}" for package in ("shared", *packages)),
            "!/lambdas",
            "/lambdas/*",
            "!/lambdas/__init__.py",
            f"!/lambdas/{folder}",
            *_NOTHING_BUT_PYTHON,
        ],
    )


_LAYERS = {LAYER: "Dependencies", ARROW: "Arrow", MIGRATIONS: "MigrationPackages"}
_ASSETS = {LAYER: "LayerAssets", ARROW: "ArrowAssets", MIGRATIONS: "MigrationAssets"}


def layer_of(archive: PackageArchive, stack: Stack) -> lambda_.LayerVersion:
    """Third-party packages: one layer for all functions of a stack that need them."""
    made = stack.node.try_find_child(_LAYERS[archive])
    return cast(lambda_.LayerVersion, made) if made else _layer(archive, stack)


def _layer(archive: PackageArchive, stack: Stack) -> lambda_.LayerVersion:
    published = archive.publish_with(stack)
    assets = s3.Bucket.from_bucket_name(stack, _ASSETS[archive], published.bucket_name)
    return lambda_.LayerVersion(
        stack,
        _LAYERS[archive],
        code=lambda_.Code.from_bucket(assets, published.object_key),
        compatible_runtimes=[RUNTIME],
        compatible_architectures=[lambda_.Architecture.ARM_64],
        description=archive.requirements,
    )


class PousadaFunction(Construct):
    """``function`` and its ``role``, which may write its own log and its traces and nothing else yet.

    What calls it calls ``alias``: each change of code, layer or setting is published as a version, and the alias moved.

    ``continues_itself``: it sends what it does not finish to the queue that it reads from.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        folder: str,
        foundation: Foundation,
        timeout: Duration,
        memory_mib: int,
        environment: Mapping[str, str],
        dead_letter_queue: sqs.Queue | None = None,
        continues_itself: bool = False,
        more_packages: Sequence[PackageArchive] = (),
        more_code: Sequence[str] = (),
        at_once: int | None = None,
        no_dead_letters: str = _WAITED_FOR,
    ) -> None:
        """In a network it runs at its place there (``network.PLACES``). ``more_packages``: besides those that all
        functions have. ``more_code``: packages of the repository besides its own folder and ``shared/``. ``at_once``:
        how many of it may run at a time, where that is not to be left to what calls it. ``no_dead_letters``: why it
        needs no ``dead_letter_queue``, where it has none."""
        super().__init__(scope, id)
        config, network = foundation.config, foundation.network
        name = config.names.function(folder)
        self.folder, self.timeout = folder, timeout
        self.role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        log = Log(self, "Log", name=f"/aws/lambda/{name}", config=config)
        log.grant_write(self.role)
        place = network.place_of(folder) if network else None
        packages = foundation.target.packages
        self.function = lambda_.Function(
            self,
            "Function",
            function_name=name,
            runtime=RUNTIME,
            architecture=lambda_.Architecture.ARM_64,
            code=code_of(folder, *more_code),
            handler=f"lambdas.{folder}.handler.handle",
            layers=[layer_of(archive, Stack.of(self)) for archive in (LAYER, *more_packages)] if packages else None,
            role=self.role,
            timeout=timeout,
            memory_size=memory_mib,
            environment={**_powertools(config), "STAGE": config.name, **environment},
            log_group=log,
            tracing=lambda_.Tracing.ACTIVE if config.observability.traces else lambda_.Tracing.DISABLED,
            dead_letter_queue=dead_letter_queue,
            # Unless told that it is meant, Lambda stops a function that is invoked some 16 times by its own messages.
            recursive_loop=lambda_.RecursiveLoop.ALLOW if continues_itself else None,
            # Of the function, whatever its version: an old one that still runs counts.
            reserved_concurrent_executions=at_once,
            current_version_options=_KEPT_VERSIONS,
            vpc=place.vpc if place else None,
            vpc_subnets=place.subnets if place else None,
            security_groups=[place.group] if place else None,
        )
        if place:
            may_have_interfaces(self.role, name)
        self.alias = self.function.add_alias(LIVE_ALIAS)
        if at_once is None:
            bounded = (
                "The API's throttle, its queue's mapping or its schedule bounds it; a reservation is the others' loss."
            )
            skip_check(self.function, "CKV_AWS_115", bounded)
        self._acknowledge_findings()
        if not config.observability.traces:
            accept_untraced(self.function, "Serverless-LambdaTracing", "CKV_AWS_50")
        if dead_letter_queue is None:
            acknowledge(self.function, "Serverless-LambdaDLQ", no_dead_letters)
            skip_check(self.function, "CKV_AWS_116", no_dead_letters)

    def consume(self, queue: sqs.Queue, *, batch_size: int, concurrency: int, window: Duration | None = None) -> None:
        """Reads ``queue``; a message that failed comes back alone, the rest of its batch does not."""
        source = event_sources.SqsEventSource(
            queue,
            batch_size=batch_size,
            max_batching_window=window,
            max_concurrency=concurrency,
            report_batch_item_failures=True,
        )
        self.alias.add_event_source(source)
        acknowledge(
            self.function,
            "Serverless-LambdaEventSourceMappingDestination",
            "Failure destinations of a mapping are for streams; an SQS source has its queue's dead letters.",
        )

    def _acknowledge_findings(self) -> None:
        acknowledge(self.role, "AwsSolutions-IAM5[Resource::*]", "X-Ray's actions know no resource to name.")
        newest = "The tests run with pyspark 3.5, which says nothing of 3.14; a function runs on none that they cannot."
        acknowledge(self.function, "AwsSolutions-L1", newest)
        acknowledge(self.function, "Serverless-LambdaLatestVersion", newest)
        names = (
            "Names of buckets, tables and queues, no secret: Lambda's own key will do, and no cold start asks for ours."
        )
        skip_check(self.function, "CKV_AWS_173", names)


def _powertools(config: StageConfig) -> dict[str, str]:
    return {
        "POWERTOOLS_SERVICE_NAME": "pousada",
        "POWERTOOLS_METRICS_NAMESPACE": config.names.metrics_namespace,
        "POWERTOOLS_LOG_LEVEL": "INFO",
    }
