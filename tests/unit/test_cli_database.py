"""How the operator's command line finds a stage's database."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from psycopg.conninfo import conninfo_to_dict

from scripts.cli.stage import TUNNEL, Stage
from shared.errors import Misconfigured
from shared.names import Names

NAMES = Names("prod-eu-west-1")
SERVER = {"host": "db.eu-west-1.rds.amazonaws.com", "port": 5433, "dbname": "pousada"}
SECRETS = {
    "arn:managed": {"username": "pousada_owner", "password": "p"},
    NAMES.database_secret: {**SERVER, "host": "127.0.0.1", "username": "mine", "password": "m", "sslmode": "disable"},
}


class FakeAws:
    """Secrets Manager and CloudFormation, as far as they are asked."""

    exceptions = SimpleNamespace()

    def get_secret_value(self, *, SecretId: str, VersionStage: str = "AWSCURRENT") -> dict[str, Any]:
        return {"SecretString": json.dumps(SECRETS[SecretId])}

    def describe_stacks(self, *, StackName: str) -> dict[str, Any]:
        assert StackName == NAMES.stack("database")
        owner = json.dumps({"secret": "arn:managed", **SERVER})
        return {"Stacks": [{"Outputs": [{"OutputKey": "Owner", "OutputValue": owner}]}]}


def stage(*, on_rds: bool) -> Stage:
    session = SimpleNamespace(client=lambda _service, endpoint_url: FakeAws())
    return Stage(NAMES, session, on_rds=on_rds)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def no_tunnel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TUNNEL, raising=False)


def test_on_aws_the_stack_says_where_it_is_and_rds_s_secret_who_owns_it() -> None:
    found = conninfo_to_dict(stage(on_rds=True).conninfo())
    assert (found["host"], found["port"]) == (SERVER["host"], "5433")
    assert (found["user"], found["password"]) == ("pousada_owner", "p")
    assert "hostaddr" not in found
    assert found["sslmode"] == "verify-full"


def test_through_a_tunnel_it_is_the_same_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TUNNEL, "127.0.0.1:15433")
    found = conninfo_to_dict(stage(on_rds=True).conninfo())
    assert (found["host"], found["hostaddr"], found["port"]) == (SERVER["host"], "127.0.0.1", "15433")
    assert found["sslmode"] == "verify-full"


@pytest.mark.parametrize("tunnel", ["15433", "127.0.0.1", "127.0.0.1:", ":15433", "127.0.0.1:port"])
def test_what_is_no_tunnel_is_refused(monkeypatch: pytest.MonkeyPatch, tunnel: str) -> None:
    monkeypatch.setenv(TUNNEL, tunnel)
    with pytest.raises(Misconfigured, match="is no address and port"):
        stage(on_rds=True).conninfo()


def test_a_reader_is_told_the_server_and_never_the_tunnel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TUNNEL, "127.0.0.1:15433")
    credentials = stage(on_rds=True).credentials()
    assert (credentials.host, credentials.port, credentials.dbname) == (SERVER["host"], "5433", "pousada")


def test_elsewhere_the_secret_says_it_all() -> None:
    found = conninfo_to_dict(stage(on_rds=False).conninfo())
    assert (found["host"], found["user"], found["sslmode"]) == ("127.0.0.1", "mine", "disable")
    assert stage(on_rds=False).credentials().username == "mine"
