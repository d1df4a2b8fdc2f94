"""The migrations, run at every deployment that brings new ones, before the functions that need them."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from aws_cdk import CustomResource, Duration
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra.capabilities.function import PousadaFunction
from infra.capabilities.permissions import acknowledge
from infra.foundation import Foundation
from infra.packages import MIGRATIONS
from infra.paths import ROOT

# The longest that Lambda has. CloudFormation invokes it without waiting: where it broke off, Lambda has it run again,
# once and not the usual two times, so that both runs end within the patience.
_TIMEOUT, _MORE_TRIES, _PATIENCE = Duration.minutes(15), 1, Duration.minutes(35)
_ANSWERED = "CloudFormation waits for its answer, and fails the deployment where it is a failure or never comes."


class Migrations(Construct):
    """The function ``migrate``, which CloudFormation calls and which answers it: no framework in between."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        foundation: Foundation,
        database: str,
        admit: Callable[[iam.Role], None],
    ) -> None:
        """``database``: its owner's address; ``admit`` gives a role leave to log in there."""
        super().__init__(scope, id)
        self.migrate = PousadaFunction(
            self,
            "Migrate",
            folder="migrate",
            foundation=foundation,
            more_packages=[MIGRATIONS],
            timeout=_TIMEOUT,
            memory_mib=512,
            environment={"DATABASE": database},
            no_dead_letters=_ANSWERED,
        )
        self.migrate.function.configure_async_invoke(retry_attempts=_MORE_TRIES)
        acknowledge(self.migrate.function, "Serverless-LambdaAsyncFailureDestination", _ANSWERED)
        admit(self.migrate.role)
        run = CustomResource(
            self,
            "Run",
            service_token=self.migrate.function.function_arn,
            resource_type="Custom::Migrations",
            service_timeout=_PATIENCE,
            # What is the same as at the last deployment is not run again.
            properties={"Migrations": digest()},
        )
        # Not before the function may log in.
        run.node.add_dependency(self.migrate)


def digest(root: Path = ROOT) -> str:
    """Of all that ``migrate`` does to the database. A change there that means nothing has it run once too often, which
    changes nothing."""
    storage = root / "shared" / "storage"
    files = [
        root / "lambdas" / "migrate" / "preparation.py",
        root / "shared" / "names.py",
        storage / "logins.py",
        storage / "statements.py",
        *sorted((storage / "migrations").rglob("*.py")),
    ]
    return sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()
