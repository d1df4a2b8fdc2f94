"""What ``DATABASE`` says, and the connection string that comes of it. Nothing is connected."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from psycopg.conninfo import conninfo_to_dict

from shared.errors import Misconfigured
from shared.storage.database_address import certificates, open_database, parse

HOST = "pousada.proxy-abc.eu-west-1.rds.amazonaws.com"
BY_IAM = json.dumps({"user": "pousada_app", "host": HOST, "port": 5432, "dbname": "pousada"})
MANAGED = json.dumps({"secret": "arn:secret", "host": HOST, "port": 5433, "dbname": "pousada"})


class FakeSecrets:
    def __init__(self, **secret: Any) -> None:
        self.asked: list[str] = []
        self._text = json.dumps(secret)

    def get_secret_value(self, *, SecretId: str) -> dict[str, Any]:
        self.asked.append(SecretId)
        return {"SecretString": self._text}


def fields(text: str, **clients: Any) -> dict[str, Any]:
    return conninfo_to_dict(
        parse(text).conninfo("pousada-test", lambda service: clients.get(service) or boto3.client(service))
    )


def test_a_user_logs_in_by_a_token_of_its_own_and_believes_no_stranger():
    found = fields(BY_IAM)
    assert (found["host"], found["port"], found["dbname"], found["user"]) == (HOST, "5432", "pousada", "pousada_app")
    assert found["sslmode"] == "verify-full"
    assert found["sslrootcert"] == certificates()
    # Seconds: no longer than the proxy lets somebody wait (infra/capabilities/database.py).
    assert found["connect_timeout"] == "5"
    token = urlsplit(f"https://{found['password']}")
    assert token.netloc == f"{HOST}:5432"
    asked = {name: value for name, (value,) in parse_qs(token.query).items()}
    assert (asked["Action"], asked["DBUser"]) == ("connect", "pousada_app")
    assert asked["X-Amz-Expires"] == "900"
    assert "/eu-west-1/rds-db/aws4_request" in asked["X-Amz-Credential"]
    assert len(asked["X-Amz-Signature"]) == 64


def test_another_user_s_token_is_another():
    other = BY_IAM.replace("pousada_app", "pousada_audit")
    assert "DBUser=pousada_audit" in fields(other)["password"]


def test_a_token_is_made_for_each_connection_and_its_client_once(monkeypatch: pytest.MonkeyPatch):
    tried: list[str] = []
    made: list[str] = []

    def refuse(conninfo: str, **_how: Any) -> None:
        tried.append(conninfo_to_dict(conninfo)["password"])
        raise Misconfigured("no server here")

    class Clock:
        def generate_db_auth_token(self, **_about: Any) -> str:
            return f"token {len(tried)}"

    def connect(service: str) -> Clock:
        made.append(service)
        return Clock()

    monkeypatch.setattr("psycopg.connect", refuse)
    database = open_database(BY_IAM, "pousada-test", connect)
    for _ in range(2):
        with pytest.raises(Misconfigured), database.transaction():
            pass
    assert tried == ["token 0", "token 1"]
    assert made == ["rds"]


def test_a_secret_that_rds_manages_has_user_and_password_alone():
    secrets = FakeSecrets(username="pousada_owner", password="p 'q")
    found = fields(MANAGED, secretsmanager=secrets)
    assert secrets.asked == ["arn:secret"]
    assert (found["user"], found["password"], found["port"]) == ("pousada_owner", "p 'q", "5433")
    assert found["sslmode"] == "verify-full"


def test_a_secret_of_its_own_says_everything():
    secrets = FakeSecrets(host="127.0.0.1", port=5, dbname="d", username="u", password="p", sslmode="disable")
    found = fields('{"secret": "pousada/local/database"}', secretsmanager=secrets)
    assert (found["host"], found["port"], found["sslmode"]) == ("127.0.0.1", "5", "disable")


def test_through_a_tunnel_the_certificate_is_still_the_host_s():
    tunnelled = json.dumps({**json.loads(MANAGED), "hostaddr": "127.0.0.1"})
    found = fields(tunnelled, secretsmanager=FakeSecrets(username="u", password="p"))
    assert (found["host"], found["hostaddr"], found["sslmode"]) == (HOST, "127.0.0.1", "verify-full")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "pousada/local/database",
        "{}",
        '{"user": "pousada_app"}',
        '{"secret": "s", "host": "h"}',
        '{"secret": "s", "user": "u", "host": "h", "dbname": "d"}',
        '{"secret": "s", "password": "of a guest"}',
    ],
)
def test_what_is_no_address_is_refused_without_being_quoted(text: str):
    with pytest.raises(Misconfigured) as refused:
        parse(text)
    assert "guest" not in str(refused.value)


def test_a_secret_of_another_form_is_refused_without_being_quoted():
    with pytest.raises(Misconfigured) as refused:
        fields(MANAGED, secretsmanager=FakeSecrets(user="u", password="open sesame"))
    assert "sesame" not in str(refused.value)
