"""The rebuild itself, by the commands that an operator gives (docs/rebuild.md)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import date
from time import monotonic
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from scripts.demonstration import observation
from scripts.local.stack import LocalStack

Command = Callable[..., Any]
"""Runs ``pousada`` with these arguments, and raises where it fails."""


class Rebuild:
    """Of the deployed ``local`` target; ``seconds`` has what each step took."""

    def __init__(self, local: LocalStack, pousada: Command) -> None:
        self._local = local
        self._pousada = pousada
        self.seconds: dict[str, float] = {}

    def lose_the_database(self) -> None:
        """Dropped, whoever is connected, and made anew with nothing in it, not even tables."""
        name = str(conninfo_to_dict(self._local.dsn)["dbname"])
        with psycopg.connect(make_conninfo(self._local.dsn, dbname="postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))

    def lose_the_lake(self) -> None:
        """Every Parquet file."""
        s3, bucket = self._local.client("s3"), self._local.names.processed_bucket
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            for item in page.get("Contents", ()):
                s3.delete_object(Bucket=bucket, Key=item["Key"])

    def migrate(self) -> None:
        with self._timed("migrate"):
            self._pousada("migrate")

    def replay(self, prefixes: Iterable[str]) -> None:
        """Every raw object under ``prefixes``, until the live path has done its share."""
        with self._timed("replay"):
            for prefix in prefixes:
                self._pousada("replay", "--prefix", prefix)
            observation.until_applied(self._local)

    def batch(self) -> None:
        """The batch path's share: all of them, and what is too large for the live path by it alone."""
        with self._timed("etl"):
            self._pousada("etl", "--wait")

    def audit(self, since: date) -> None:
        """Every raw record is accounted for, or it raises."""
        with self._timed("audit"):
            self._pousada("audit", "--since", str(since), "--grace", "0")

    @contextmanager
    def _timed(self, step: str) -> Iterator[None]:
        began = monotonic()
        yield
        self.seconds[step] = round(monotonic() - began, 1)
