"""Whom a connection to PostgreSQL on AWS believes: seen from a server that does no more than TLS.

The embedded PostgreSQL speaks none.
"""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from scripts.local.environment import ROOT
from shared.storage import database_address
from shared.storage.database_address import certificates, parse

NAME = "pousada.proxy-abc.eu-west-1.rds.amazonaws.com"
_BYTES_OF_A_REQUEST = 8


class Authority:
    """Signs one server's certificate."""

    def __init__(self, folder: Path, server: str) -> None:
        self._key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Authority")])
        its_name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, server)])
        self.file, self.certificate, self.key = folder / "ca.pem", folder / "server.pem", folder / "server.key"
        own = self._signed(self._name, self._key.public_key(), x509.BasicConstraints(ca=True, path_length=None))
        its = self._signed(its_name, key.public_key(), x509.SubjectAlternativeName([x509.DNSName(server)]))
        self.file.write_bytes(own)
        self.certificate.write_bytes(its)
        pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
        self.key.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))

    def _signed(self, name: x509.Name, key: Any, extension: x509.ExtensionType) -> bytes:
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder(self._name, name, key, x509.random_serial_number())
        builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        signed = builder.add_extension(extension, critical=False).sign(self._key, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM)


class Server:
    """Takes PostgreSQL's request for TLS, shakes hands, and hangs up: ``greeted`` counts who came so far."""

    def __init__(self, authority: Authority) -> None:
        self.greeted = 0
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(authority.certificate, authority.key)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            with connection:
                connection.recv(_BYTES_OF_A_REQUEST)
                connection.sendall(b"S")
                try:
                    with self._context.wrap_socket(connection, server_side=True) as encrypted:
                        self.greeted += bool(encrypted.recv(1024))
                except OSError:
                    continue

    def stop(self) -> None:
        self._listening.close()


@pytest.fixture
def authority(request: pytest.FixtureRequest, tmp_path: Path) -> Authority:
    return Authority(tmp_path, getattr(request, "param", NAME))


@pytest.fixture
def server(authority: Authority) -> Iterator[Server]:
    server = Server(authority)
    yield server
    server.stop()


def refusal(server: Server) -> str:
    address = {"user": "pousada_app", "host": NAME, "hostaddr": "127.0.0.1", "port": server.port, "dbname": "pousada"}
    conninfo = parse(json.dumps(address)).conninfo("pousada-test", lambda _service: Tokens())
    with pytest.raises(psycopg.OperationalError) as refused:
        psycopg.connect(conninfo)
    return str(refused.value)


class Tokens:
    def generate_db_auth_token(self, **_about: Any) -> str:
        return "token"


def test_a_server_of_an_authority_that_is_known_is_greeted(
    server: Server, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_address, "certificates", lambda: str(authority.file))
    assert "certificate" not in refusal(server)
    assert server.greeted == 1


def test_one_of_a_stranger_is_told_nothing(server: Server) -> None:
    assert "certificate verify failed" in refusal(server)
    assert server.greeted == 0


@pytest.mark.parametrize("authority", ["another.eu-west-1.rds.amazonaws.com"], indirect=True)
def test_nor_is_one_of_another_name(server: Server, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_address, "certificates", lambda: str(authority.file))
    assert "does not match host name" in refusal(server)
    assert server.greeted == 0


def test_every_certificate_is_an_authority_s_own_and_good_for_years() -> None:
    found = x509.load_pem_x509_certificates(Path(certificates()).read_bytes())
    names = [c.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value for c in found]
    assert "Amazon Root CA 1" in names
    assert len(set(names)) == len(names)
    for certificate in found:
        certificate.verify_directly_issued_by(certificate)
        assert certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        assert certificate.not_valid_after_utc > datetime.now(UTC) + timedelta(days=2 * 365)


def test_they_are_a_file_even_on_glue_where_the_code_is_in_a_zip(tmp_path: Path) -> None:
    archive = tmp_path / "modules.zip"
    with zipfile.ZipFile(archive, "w") as modules:
        for path in (ROOT / "shared").rglob("*"):
            if path.suffix in (".py", ".pem"):
                modules.write(path, path.relative_to(ROOT))
    code = """if True:
        from pathlib import Path
        from shared.storage import database_address
        print(database_address.__file__)
        print(Path(database_address.certificates()).read_text(encoding="utf-8").count("BEGIN"))"""
    environment = {"PYTHONPATH": str(archive)}
    run = subprocess.run([sys.executable, "-c", code], env=environment, cwd=tmp_path, capture_output=True, check=True)
    where, count = run.stdout.decode().split()
    assert where.startswith(str(archive))
    assert int(count) == Path(certificates()).read_text(encoding="utf-8").count("BEGIN")
