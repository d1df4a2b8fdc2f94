"""What deployed stacks tell about themselves: the outputs of their CloudFormation stacks."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from shared.errors import Misconfigured


def output(cloudformation: Any, stack: str, key: str) -> str:
    """One output of a deployed stack. Raises Misconfigured where the stack or the output is missing."""
    try:
        described = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
    except ClientError as error:
        # CloudFormation's word for a stack that is not there.
        if error.response["Error"]["Code"] != "ValidationError":
            raise
        raise Misconfigured(f"there is no stack {stack}", fix="deploy the stage first") from None
    outputs = {item["OutputKey"]: str(item["OutputValue"]) for item in described.get("Outputs", ())}
    if key not in outputs:
        raise Misconfigured(f"stack {stack} has no output {key}; it has {', '.join(sorted(outputs)) or 'none'}")
    return outputs[key]
