"""Every resource name, from one typed object: stacks, functions, scripts and tests read names here.

Names carry no account id (DESIGN.md §5). Bucket names are unique worldwide, so an organisation that
deploys Pousada sets its own ``prefix`` in cdk.json.
"""

from __future__ import annotations

from dataclasses import dataclass
from zlib import crc32

from shared.segments import joined

LIVE_ALIAS = "live"
"""Of every function: the version that is in use. Whoever calls one calls this alias of it."""
DATABASE = "pousada"
"""The one database on a stage's server."""
WRITER_LOGIN = "pousada_app"
"""Functions and job that store rows: a member of ``pousada_writer``."""
AUDIT_LOGIN = "pousada_audit"
"""The daily audit: a member of ``pousada_auditor``, which reads."""
LOGINS = (WRITER_LOGIN, AUDIT_LOGIN)
API_STAGE = "v1"
"""API Gateway's own stage of the webhooks' API: the first segment of its paths, and a dimension of its metrics."""


@dataclass(frozen=True, slots=True)
class Names:
    """The names of one stage, e.g. ``Names("prod-eu-west-1")``; ``stage`` is the key in cdk.json."""

    stage: str
    prefix: str = "pousada"

    def named(self, what: str) -> str:
        return f"{self.prefix}-{self.stage}-{what}"

    # -- S3 ------------------------------------------------------------------------------------
    @property
    def raw_bucket(self) -> str:
        """Envelopes as they came: the commit point."""
        return self.named("raw")

    @property
    def processed_bucket(self) -> str:
        """Parquet history, one prefix per entity."""
        return self.named("processed")

    @property
    def work_bucket(self) -> str:
        """Manifests (``manifests/pending|done/``) and Athena's results (``athena-results/``)."""
        return self.named("work")

    @property
    def trail_bucket(self) -> str:
        """CloudTrail's log files."""
        return self.named("audit-trail")

    # -- DynamoDB ------------------------------------------------------------------------------
    @property
    def idempotency_table(self) -> str:
        return self.named("webhook-idempotency")

    @property
    def integrations_table(self) -> str:
        return self.named("integrations")

    @property
    def sync_state_table(self) -> str:
        return self.named("sync-state")

    @property
    def hotel_secrets_table(self) -> str:
        """By the names of ``webhook_secret_name`` and ``oauth_credentials_name``."""
        return self.named("hotel-secrets")

    @property
    def secrets_key(self) -> str:
        """The KMS key of the hotels' secrets, by its alias."""
        return f"alias/{self.named('secrets')}"

    # -- SQS -----------------------------------------------------------------------------------
    @property
    def live_queue(self) -> str:
        return self.named("live")

    @property
    def batch_queue(self) -> str:
        return self.named("batch")

    @property
    def poll_queue(self) -> str:
        return self.named("poll")

    @property
    def audit_queue(self) -> str:
        return self.named("audit")

    @property
    def rotate_queue(self) -> str:
        return self.named("rotate")

    @property
    def queues(self) -> tuple[str, ...]:
        return (self.live_queue, self.batch_queue, self.poll_queue, self.audit_queue, self.rotate_queue)

    @staticmethod
    def dead_letters_of(queue: str) -> str:
        return f"{queue}-dead-letters"

    # -- Edge and database ---------------------------------------------------------------------
    @property
    def webhook_api(self) -> str:
        """The API, and the firewall before it."""
        return self.named("webhooks")

    @property
    def sampling_rule(self) -> str:
        """X-Ray's, of which an account has one of a name in a region. It takes 32 characters."""
        name = f"{self.prefix}-{self.stage}"
        return name if len(name) <= 32 else f"{name[:23]}-{crc32(name.encode()):08x}"

    @property
    def database_instance(self) -> str:
        """PostgreSQL's server; its subnets and its proxy are called the same."""
        return self.named("database")

    # -- Compute -------------------------------------------------------------------------------
    def function(self, folder: str) -> str:
        """The deployed function of ``lambdas/<folder>/``."""
        return self.named(folder)

    @property
    def glue_job(self) -> str:
        return self.named("etl")

    # -- Analytics -----------------------------------------------------------------------------
    @property
    def glue_database(self) -> str:
        # Athena allows no hyphen in an unquoted database name.
        return self.named("lake").replace("-", "_")

    @property
    def athena_workgroup(self) -> str:
        return self.named("analysts")

    # -- SNS -----------------------------------------------------------------------------------
    @property
    def page_topic(self) -> str:
        """What wakes somebody."""
        return self.named("page")

    @property
    def mail_topic(self) -> str:
        """What is read in the morning."""
        return self.named("mail")

    @property
    def metrics_namespace(self) -> str:
        """The stage's own: of two in one account, neither rings the other's alarms."""
        return f"{self.prefix}/{self.stage}"

    # -- Secrets and stacks --------------------------------------------------------------------
    @property
    def database_secret(self) -> str:
        """JSON ``{host, port, dbname, username, password}``, as RDS writes it."""
        return f"{self.prefix}/{self.stage}/database"

    def login_secret(self, login: str) -> str:
        """As ``database_secret``, of a login of functions and job. Locally alone: RDS takes IAM's tokens."""
        return f"{self.database_secret}/logins/{login}"

    def reader_secret(self, name: str) -> str:
        """As ``database_secret``, of the reader ``name``: sees the rows of its hotels alone."""
        return f"{self.database_secret}/readers/{name}"

    @property
    def backup_vault(self) -> str:
        """In the stage's region, and in that to which backups are copied."""
        return self.named("backups")

    def stack(self, what: str) -> str:
        """CloudFormation's name for the stack ``what`` (storage, ingest, transform…)."""
        return self.named(what)


def webhook_secret_name(vendor: str, property_id: str) -> str:
    """JSON of ``shared.hotel_secrets.WebhookSecret``: ``{"current": str, …}``. Raises Malformed."""
    return joined(vendor, property_id, "webhook-secret")


def oauth_credentials_name(vendor: str, property_id: str) -> str:
    """JSON ``{"client_id": str, "client_secret": str}``. Raises Malformed."""
    return joined(vendor, property_id, "oauth-credentials")
