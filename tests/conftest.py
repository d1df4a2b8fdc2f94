"""What several suites share: where tests belong, an environment that leads to no real account, and the servers.

A server is started at most once in a run, when the first test asks for it, and ends with the run, however that ends.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import psycopg
import pytest
from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter

from scripts.local import environment
from scripts.local.embedded_aws import EmbeddedAws
from scripts.local.embedded_postgres import EmbeddedPostgres
from shared.storage import migrations

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

TESTS = Path(__file__).parent
SUITES = ("unit", "integration", "infra", "e2e", "bench", "load")
_TEMPLATE = "pousada_template"
_BEGUN_FIRST = {"test_crash_sweep": 0, "test_demonstration": 1, "test_order_sweep": 2}

# Before any test module is imported: an SDK must find neither a real account nor a way to one, and nobody's settings of
# the SDK, the CDK or Powertools decide what a test sees.
for _name in list(os.environ):
    if _name.startswith(("AWS_", "CDK_", "POWERTOOLS_")):
        del os.environ[_name]
for _name in ("LOG_LEVEL", "POUSADA_STAGE", "POUSADA_STATE_DIR"):
    os.environ.pop(_name, None)
os.environ |= {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_REGION": environment.REGION,
    "AWS_DEFAULT_REGION": environment.REGION,
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
    # Powertools would trace to a daemon that is not there.
    "POWERTOOLS_TRACE_DISABLED": "true",
    # As every function has it (infra/capabilities/function.py), before its module is imported.
    "POWERTOOLS_METRICS_NAMESPACE": "pousada/local",
    # What a command prints is plain and not broken, whatever terminal, FORCE_COLOR or CI service this run has: rich
    # reads the first, typer the others when it is imported. pytest's own colours and width stay as they are.
    "TTY_COMPATIBLE": "0",
    "_TYPER_FORCE_DISABLE_TERMINAL": "1",
    "TERMINAL_WIDTH": "200",
    # The clone's Node for jsii, its Java for Spark.
    **environment.tools(),
}

# How long an example takes says more of what else the machine does than of the code.
hypothesis.settings.register_profile(
    "pousada", deadline=None, max_examples=int(os.environ.get("POUSADA_EXAMPLES", "100"))
)
hypothesis.settings.load_profile("pousada")


@pytest.hookimpl(trylast=True)  # after the shuffling
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test is of the suite whose folder it lies in. The longest modules come first: begun late, one alone of them
    would have a worker go on for minutes after the other has nothing left."""
    items.sort(key=lambda item: _BEGUN_FIRST.get(item.path.stem, len(_BEGUN_FIRST)))
    for item in items:
        suite = item.path.relative_to(TESTS).parts[0]
        if suite in SUITES:
            item.add_marker(suite)


@pytest.fixture(autouse=True)
def nobody_elses_log_keys() -> None:
    """On Lambda each function has a logger of its own; here all share one, with the keys that each appended."""
    for handler in logging.getLogger("pousada").handlers:
        if isinstance(handler.formatter, LambdaPowertoolsFormatter):
            handler.formatter.clear_state()


@pytest.fixture(scope="session")
def state_folder() -> Iterator[Path]:
    """Of the session's servers; nothing of it is left."""
    with tempfile.TemporaryDirectory(prefix="pousada-tests-") as folder:
        yield Path(folder)


class TemplatedPostgres:
    """The embedded PostgreSQL; ``fresh`` makes a migrated, empty database in some ten milliseconds."""

    def __init__(self, server: EmbeddedPostgres) -> None:
        self.server = server
        self._admin = server.dsn_of("postgres")
        self._run(f"CREATE DATABASE {_TEMPLATE}")
        migrations.upgrade(server.dsn_of(_TEMPLATE))

    def fresh(self, name: str) -> str:
        """The DSN of a new database ``name``."""
        self._run(f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE}")
        return self.server.dsn_of(name)

    def drop(self, name: str) -> None:
        self._run(f"DROP DATABASE {name} WITH (FORCE)")

    def _run(self, statement: str) -> None:
        with psycopg.connect(self._admin, autocommit=True) as connection:
            connection.execute(statement)


@pytest.fixture(scope="session")
def postgres(state_folder: Path) -> Iterator[TemplatedPostgres]:
    server = EmbeddedPostgres(state_folder)
    server.start()
    try:
        yield TemplatedPostgres(server)
    finally:
        server.stop()


@pytest.fixture(scope="module")
def database(postgres: TemplatedPostgres, request: pytest.FixtureRequest) -> Iterator[str]:
    """The DSN of a migrated, empty database of this module's own."""
    name = re.sub(r"[^a-z0-9]+", "_", Path(request.node.nodeid).stem.lower())
    yield postgres.fresh(name)
    postgres.drop(name)


@pytest.fixture(scope="session")
def embedded_aws(state_folder: Path) -> Iterator[EmbeddedAws]:
    """An embedded AWS with nothing deployed; its buckets and tables are for all: use names of your own."""
    server = EmbeddedAws(state_folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def aws_environment(embedded_aws: EmbeddedAws, monkeypatch: pytest.MonkeyPatch) -> EmbeddedAws:
    """For one test, boto3 without arguments reaches the embedded AWS."""
    for name, value in environment.aws(embedded_aws.endpoint).items():
        monkeypatch.setenv(name, value)
    return embedded_aws


@pytest.fixture(scope="session")
def spark(embedded_aws: EmbeddedAws, state_folder: Path) -> Iterator[SparkSession]:
    """The run's one Spark. Its Python workers keep the environment of its start, so boto3 there reaches this AWS."""
    from pyspark.sql import SparkSession

    with pytest.MonkeyPatch.context() as variables:
        for name, value in environment.aws(embedded_aws.endpoint).items():
            variables.setenv(name, value)
        # A worker imports this checkout, wherever pytest was started.
        variables.setenv("PYTHONPATH", os.pathsep.join([str(environment.ROOT), *filter(None, sys.path)]))
        session = (
            SparkSession.builder.master("local[2]")
            .appName("pousada-tests")
            .config("spark.ui.enabled", "false")
            .config("spark.driver.bindAddress", "127.0.0.1")
            .config("spark.driver.host", "127.0.0.1")
            .config("spark.local.dir", str(state_folder / "spark"))
            .config("spark.sql.warehouse.dir", str(state_folder / "warehouse"))
            .config("spark.sql.shuffle.partitions", "4")
            .getOrCreate()
        )
    session.sparkContext.setLogLevel("ERROR")
    yield session
    gateway = session.sparkContext._gateway
    session.stop()
    # Spark leaves its JVM to notice that we are gone; nothing of a run shall outlive it.
    gateway.shutdown()
    gateway.proc.stdin.close()
    gateway.proc.wait(30)
