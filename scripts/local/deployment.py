"""Deploys this repository's own stacks onto the embedded AWS, with the same commands as onto a real account."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.local import environment, processes
from scripts.local.processes import Command
from shared.errors import Misconfigured

CDK = environment.ROOT / "node_modules" / "aws-cdk" / "bin" / "cdk"
SECONDS = 600.0


def bootstrap(variables: Mapping[str, str], folder: Path) -> None:
    """``cdk bootstrap``: the bucket and the roles that a deployment needs. Raises Misconfigured."""
    # No app: it would be synthesised only to find out the environment that is named here.
    account = f"aws://{environment.ACCOUNT}/{environment.REGION}"
    _cdk("bootstrap", ["bootstrap", account, "--app", ""], variables, folder)


def deploy(stage: str, variables: Mapping[str, str], folder: Path) -> None:
    """``cdk deploy`` of every stack of ``stage``. Raises Misconfigured."""
    # An output folder of its own: two deployments of one clone at once would write into one another's.
    output = ["--output", str(folder / "cdk.out"), "--context", f"stages={stage}"]
    options = ["--require-approval", "never", "--concurrency", "4", "--progress", "events"]
    _cdk("deploy", ["deploy", f"{stage}/*", *options, *output], variables, folder)


def _cdk(what: str, arguments: Sequence[str], variables: Mapping[str, str], folder: Path) -> None:
    if not CDK.exists():
        raise Misconfigured("the CDK command line is not installed", fix="run scripts/setup")
    line = ["node", str(CDK), *arguments, "--no-notices", "--no-color", "--ci"]
    # Guarded: a deployment whose target is gone would go on asking for it.
    running = processes.start(Command(f"cdk-{what}", line, variables), folder)
    try:
        status = running.wait(SECONDS)
    finally:
        running.stop()
    if status:
        end = processes.end_of(running.log, lines=40)
        message = f"cdk {what} failed with exit status {status}; its output ends with:\n{end}"
        raise Misconfigured(message, fix=f"see {running.log}")


def store_secret(name: str, secret: Mapping[str, Any], secrets_manager: Any) -> None:
    text = json.dumps(dict(secret))
    try:
        secrets_manager.create_secret(Name=name, SecretString=text)
    except secrets_manager.exceptions.ResourceExistsException:
        secrets_manager.put_secret_value(SecretId=name, SecretString=text)
