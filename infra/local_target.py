"""The embedded AWS: everything its deployment leaves out or exchanges, and why. Nothing else differs.

Measured against MiniStack 1.5 (DESIGN.md §6). When a line's reason has gone, the line goes.
"""

from __future__ import annotations

import os

from aws_cdk import RemovalPolicy

from infra.paths import ROOT
from infra.target import Target


def _endpoint() -> str:
    # The port is chosen by whoever started the embedded AWS; the CLI and this app see the same variable.
    return os.environ.get("AWS_ENDPOINT_URL", "http://127.0.0.1:4566").rstrip("/")


def _path_style_endpoint(api_id: str, region: str, stage: str) -> str:
    return f"{_endpoint()}/_aws/execute-api/{api_id}/{stage}"


def local_target() -> Target:
    return Target(
        # The state folder is thrown away whole; a stack deleted in between must not leave names taken.
        removal=RemovalPolicy.DESTROY,
        deletion_protection=False,
        # CloudFormation there has no AWS::EC2::NatGateway and no AWS::RDS::DBProxy; functions are processes of this
        # host. They reach the embedded PostgreSQL as its one user, by its secret.
        network=False,
        # Functions and job run on the host's Python, which has the packages; the layer's are for arm64.
        packages=False,
        # CloudFormation there has no AWS::WAFv2::WebACLAssociation.
        firewall=False,
        # CloudFormation there has no AWS::CloudTrail::Trail, AWS::Budgets::Budget, AWS::Backup::BackupSelection.
        governance=False,
        # A tick on the hour in the middle of a demo or a test would be chance. `pousada poll` and `etl` are there.
        schedules=False,
        # CloudFormation there has no AWS::CodeDeploy::DeploymentGroup.
        gradual_shift=False,
        # A `glueetl` job is only pretended there; a `pythonshell` job really runs, and starts Spark itself.
        job_command="pythonshell",
        # Taken there as seconds, and 600 is the most.
        job_timeout=600,
        # CloudFormation there has no AWS::Glue::SecurityConfiguration.
        job_security=False,
        # `--extra-py-files` is not read there: the job imports this checkout. Arguments become environment variables.
        job_arguments={"--PYTHONPATH": str(ROOT), "--AWS_ENDPOINT_URL": _endpoint()},
        # CloudFormation there refuses an alarm with Metrics, and CloudWatch evaluates no expression.
        metric_maths=False,
        # CloudFormation there has no AWS::XRay::SamplingRule.
        trace_sampling=False,
        # CloudFormation there has no AWS::CloudWatch::CompositeAlarm.
        composite_alarms=False,
        # Athena there has no views; the saved queries carry the same text as a common table expression.
        views=False,
        # CloudFormation there has no AWS::Athena::NamedQuery; the queries are run from docs/queries.
        named_queries=False,
        # {api}.execute-api.{region}.amazonaws.com leads nowhere from here.
        api_url=_path_style_endpoint,
    )
