"""The view of slow statements. The embedded PostgreSQL lacks the extension: a fake sees what is asked."""

from __future__ import annotations

from typing import Any

import pytest

from shared.storage.statements import show_statements


class FakeServer:
    """Answers whether it gathers statements, and keeps what else it is asked."""

    def __init__(self, *, gathers: bool) -> None:
        self._gathers = gathers
        self.asked: list[str] = []

    def __enter__(self) -> FakeServer:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def execute(self, statement: str, _parameters: object = None) -> FakeServer:
        self.asked.append(" ".join(statement.split()))
        return self

    def fetchall(self) -> list[tuple[()]]:
        return [()] if self._gathers else []


@pytest.mark.parametrize("gathers", [True, False])
def test_the_view_is_made_where_the_server_gathers_statements(monkeypatch: pytest.MonkeyPatch, gathers: bool):
    server = FakeServer(gathers=gathers)
    connections: list[Any] = []
    monkeypatch.setattr("psycopg.connect", lambda conninfo: connections.append(conninfo) or server)

    assert show_statements("conninfo") is gathers
    made = [statement for statement in server.asked if statement.startswith("CREATE")]
    assert made == (
        [
            "CREATE SCHEMA IF NOT EXISTS monitoring",
            "CREATE EXTENSION IF NOT EXISTS pg_stat_statements SCHEMA monitoring",
        ]
        if gathers
        else []
    )
