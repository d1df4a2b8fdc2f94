"""What ``cdk.json`` may say under ``context.pousada``, as typed and checked models.

A stage states only what differs from the defaults given here. A field that is not known here is an
error, not a silence: a misspelt ``retention`` must not deploy.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from infra.config_section import Schedule, Section
from infra.governance_config import Governance, Recovery
from infra.network_config import Database, Network, check_region
from infra.observability_config import Observability, Watch
from infra.webhook_config import Webhooks
from shared.names import Names

# Of the numbers of days that CloudWatch Logs takes, those of use here (infra/capabilities/log.py).
LogDays = Literal[1, 7, 14, 30, 90, 180, 365, 731]

Shift = Literal[
    "AllAtOnce",
    "Canary10Percent5Minutes",
    "Canary10Percent10Minutes",
    "Canary10Percent15Minutes",
    "Canary10Percent30Minutes",
    "Linear10PercentEvery1Minute",
    "Linear10PercentEvery2Minutes",
    "Linear10PercentEvery3Minutes",
    "Linear10PercentEvery10Minutes",
]
"""CodeDeploy's own configurations for functions, each by its name without ``CodeDeployDefault.Lambda``."""
AT_ONCE: Shift = "AllAtOnce"

VISIBILITY_PER_TIMEOUT = 6
"""AWS's advice for a function that reads from SQS: a message is hidden for six times its timeout, and the batching
window besides, during which Lambda already holds the messages. Shorter, they would be delivered twice."""
_BUCKET_NAME_LIMIT = 63
_LEAST_NOTICE_SECONDS = 20
_LONGEST_BUCKET = "access-logs"

Model = TypeVar("Model", bound=BaseModel)


class InvalidConfiguration(ValueError):
    """``cdk.json`` says something this app does not understand; the message names the place."""


class Polling(Section):
    schedule: Schedule = "cron(0 * * * ? *)"
    every_minutes: int = Field(60, ge=1, le=1440)
    """How far apart the schedule's polls are: sync lag counts from where the schedule ends."""
    concurrency: int = Field(5, ge=2, le=1000)
    """Workers at once. The vendor's limit is held by the rate budget, not by this."""


class LivePath(Section):
    batch_size: int = Field(10, ge=1, le=10_000)
    window_seconds: int = Field(0, ge=0, le=300)
    """More than ten messages at once need a window of a second or more (a rule of Lambda's)."""
    timeout_seconds: int = Field(30, ge=1, le=900)
    concurrency: int = Field(10, ge=2, le=1000)
    """Bounds the connections to PostgreSQL."""


class Batches(Section):
    """How many raw objects become one manifest: as many as come in ``window_seconds``."""

    objects: int = Field(10_000, ge=1, le=10_000)
    window_seconds: int = Field(300, ge=0, le=300)


class Etl(Section):
    """The function etl and the Glue job. ``schedule`` leaves the batch window of a poll on the hour time to close."""

    schedule: Schedule = "cron(15 * * * ? *)"
    worker_type: Literal["G.1X", "G.2X", "G.4X"] = "G.1X"
    workers: int = Field(2, ge=2, le=299)
    timeout_minutes: int = Field(50, ge=1, le=10_080)
    small_batch_mib: int = Field(8, ge=0, le=32)
    """Up to so many MiB of raw objects, all that is pending together, are done by the function; 0: all by Spark."""

    @property
    def small_batch_bytes(self) -> int:
        return self.small_batch_mib * 1024 * 1024


class Deployment(Section):
    """How calls move to a new version of those functions that are called all the time; the others' move at once.

    ``Canary10Percent5Minutes``: a tenth of the calls for five minutes, then all. An alarm meanwhile brings them back
    (``infra/capabilities/deployment.py``). Each function adds its time to a deployment that changes it.
    """

    webhook: Shift = "Canary10Percent5Minutes"
    apply: Shift = "Canary10Percent5Minutes"


class Audit(Section):
    """The daily audit of every hotel (``shared/pipeline/audit.py``)."""

    schedule: Schedule = "cron(0 4 * * ? *)"
    days: int = Field(2, ge=1, le=30)
    """How far back each looks. With two, each object is looked at twice; more than the longest poll takes."""
    grace_hours: int = Field(2, ge=1, le=24)
    """Objects younger than this are not judged: time for the batch window and for two runs of the job."""
    concurrency: int = Field(2, ge=2, le=1000)
    """Hotels at once. Bounds the connections to PostgreSQL."""


class HotelSecrets(Section):
    """Where the hotels' webhook secrets and OAuth credentials are kept (docs/secrets.md)."""

    store: Literal["table", "secretsmanager"] = "table"
    """Secrets Manager asks 0.40 USD a month for each secret, two of which every hotel has."""
    schedule: Schedule = "cron(30 5 * * ? *)"
    """When the secrets' ages are taken, and those that are due are rotated."""
    rotate_days: int = Field(90, ge=1, le=365)
    overlap_hours: int = Field(72, ge=1, le=24 * 30)
    """How long the secret before verifies. A weekend and a day: a vendor that was told on a Friday and did not do it
    is noticed, and helped, before its deliveries are refused."""
    notice_seconds: int = Field(30, ge=1, le=900)
    """Between a new secret's storing and the vendor's being told of it: until every worker would verify with it."""

    @property
    def in_table(self) -> bool:
        return self.store == "table"

    @model_validator(mode="after")
    def _a_step_has_time_for_the_notice(self) -> HotelSecrets:
        # Secrets Manager's steps wait within the function, which has two minutes for that and for the vendor.
        if not self.in_table and self.notice_seconds > 60:
            raise ValueError("notice_seconds: 60 at the most where Secrets Manager has the secrets")
        return self


class Analysts(Section):
    scan_limit_gib: int = Field(50, ge=1)
    """A query that would read more is cancelled. Athena bills by what is read."""


class StageConfig(Section):
    """One environment in one region; ``name`` is its key in cdk.json and stands in every resource's name."""

    name: str = Field(pattern=r"^[a-z][a-z0-9-]*[a-z0-9]$")
    prefix: str = Field("pousada", pattern=r"^[a-z][a-z0-9]*$")
    region: str = Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$")
    account: str | None = Field(None, pattern=r"^\d{12}$")
    """Given: a deploy with another account's credentials fails. Left out: whichever account is signed in to."""
    target: Literal["aws", "local"] = "aws"
    vendors: tuple[str, ...] = Field(min_length=1)
    log_retention_days: LogDays = 90
    network: Network = Network()
    database: Database = Database()
    webhooks: Webhooks = Webhooks()
    polling: Polling = Polling()
    live: LivePath = LivePath()
    batches: Batches = Batches()
    etl: Etl = Etl()
    audit: Audit = Audit()
    watch: Watch = Watch()
    observability: Observability = Observability()
    hotel_secrets: HotelSecrets = HotelSecrets()
    analysts: Analysts = Analysts()
    deployment: Deployment = Deployment()
    governance: Governance = Governance()
    recovery: Recovery = Recovery()

    @property
    def names(self) -> Names:
        return Names(self.name, self.prefix)

    @field_validator("vendors")
    @classmethod
    def _vendors_are_words(cls, vendors: tuple[str, ...]) -> tuple[str, ...]:
        for vendor in vendors:
            if not re.fullmatch(r"[a-z][a-z0-9]*", vendor):
                raise ValueError(f"{vendor!r} is no vendor's folder name")
        return vendors

    @model_validator(mode="after")
    def _name_tells_the_region(self) -> StageConfig:
        # prod-eu-south-2 deployed to eu-west-1 would put a hotel's guests into the wrong jurisdiction.
        if self.target == "aws" and not self.name.endswith(f"-{self.region}"):
            raise ValueError(f"the stage's name must end with its region, {self.region}")
        return self

    @model_validator(mode="after")
    def _the_region_has_what_is_needed(self) -> StageConfig:
        if self.target == "aws":
            check_region(self.region)
        return self

    @model_validator(mode="after")
    def _webhooks_are_of_these_vendors_and_this_region(self) -> StageConfig:
        named = self.webhooks.vendors.keys() | self.webhooks.allowed_addresses.keys()
        if unknown := sorted(named - set(self.vendors)):
            raise ValueError(f"webhooks: unknown vendor {', '.join(unknown)}; known are {', '.join(self.vendors)}")
        domain = self.webhooks.domain
        if domain and domain.certificate_region != self.region:
            raise ValueError(
                f"webhooks.domain: the certificate's region is {domain.certificate_region}, not {self.region}"
            )
        return self

    @model_validator(mode="after")
    def _the_throttle_comes_before_the_firewall(self) -> StageConfig:
        let_in = max(self.webhooks.let_in(vendor) for vendor in self.vendors)
        if self.webhooks.requests_per_address < let_in:
            raise ValueError(
                f"webhooks.requests_per_address: {let_in} at the least, which is what a vendor's limits let in within "
                "five minutes; above it the vendor is to be answered 429, which it tries again, and not 403"
            )
        return self

    @model_validator(mode="after")
    def _copies_go_elsewhere(self) -> StageConfig:
        if self.recovery.copy_to_region == self.region:
            raise ValueError(f"recovery.copy_to_region: {self.region} is the stage's own")
        replica = self.recovery.replicate_raw_to
        if replica and replica.bucket_arn.endswith(f":{self.names.raw_bucket}"):
            raise ValueError(f"recovery.replicate_raw_to: {self.names.raw_bucket} is the stage's own")
        return self

    @model_validator(mode="after")
    def _the_webhook_reaches_its_secrets(self) -> StageConfig:
        if not self.hotel_secrets.in_table and "secretsmanager" not in self.network.interface_endpoints:
            # It runs where there is no way to the internet (infra/capabilities/network.py).
            raise ValueError('hotel_secrets.store: it needs "secretsmanager" in network.interface_endpoints')
        return self

    @model_validator(mode="after")
    def _workers_learn_of_a_secret_in_time(self) -> StageConfig:
        # A webhook worker has a secret read anew ten seconds after it was last read, and not before.
        if self.target == "aws" and self.hotel_secrets.notice_seconds < _LEAST_NOTICE_SECONDS:
            raise ValueError(f"hotel_secrets.notice_seconds must be {_LEAST_NOTICE_SECONDS} at the least")
        return self

    @model_validator(mode="after")
    def _bucket_names_fit(self) -> StageConfig:
        longest = self.names.named(_LONGEST_BUCKET)
        if len(longest) > _BUCKET_NAME_LIMIT:
            raise ValueError(f"the bucket {longest} would have more than {_BUCKET_NAME_LIMIT} characters")
        return self


class _Document(Section):
    """``context.pousada`` of cdk.json."""

    prefix: str = "pousada"
    vendors: tuple[str, ...]
    webhooks: dict[str, Any] = Field(default_factory=dict)
    """Of every stage, where it does not say otherwise: a vendor's headers and addresses are the same for all."""
    stages: dict[str, dict[str, Any]] = Field(min_length=1)


def parse(context: object) -> tuple[StageConfig, ...]:
    """The stages of ``context.pousada``, in the order written. Raises InvalidConfiguration."""
    document = _checked(_Document, context, "")
    shared = {"prefix": document.prefix, "vendors": document.vendors}
    return tuple(
        _checked(StageConfig, {**shared, **_with_webhooks(stage, document), "name": name}, f".stages.{name}")
        for name, stage in document.stages.items()
    )


def _with_webhooks(stage: dict[str, Any], document: _Document) -> dict[str, Any]:
    own = stage.get("webhooks", {})
    return {**stage, "webhooks": {**document.webhooks, **own} if isinstance(own, Mapping) else own}


def select(stages: tuple[StageConfig, ...], wanted: str | None) -> tuple[StageConfig, ...]:
    """``wanted``: names, comma between (``cdk … -c stages=local``); None for all of them."""
    if wanted is None:
        return stages
    known = {stage.name: stage for stage in stages}
    names = [name.strip() for name in wanted.split(",")]
    if unknown := [name for name in names if name not in known]:
        raise InvalidConfiguration(f"unknown stage {', '.join(unknown)}; cdk.json has {', '.join(known)}")
    return tuple(known[name] for name in names)


def _checked(model: type[Model], value: object, where: str) -> Model:
    if not isinstance(value, Mapping):
        raise InvalidConfiguration(f"cdk.json: context.pousada{where} is missing or no object")
    try:
        return model.model_validate(value)
    except ValidationError as error:
        lines = (f"cdk.json: context.pousada{where}{_place(e['loc'])}: {e['msg']}" for e in error.errors())
        raise InvalidConfiguration("\n".join(lines)) from None


def _place(path: tuple[int | str, ...]) -> str:
    return "".join(f".{step}" for step in path)
