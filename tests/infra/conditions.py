"""Conditions, read by operator and value: whether one of them bounds what a statement says."""

from __future__ import annotations

from collections.abc import Callable

from tests.infra.policies import ACCOUNT, Statement

_EQUAL = ("StringEquals", "StringLike", "ArnEquals", "ArnLike")
# Neither negations, nor ``…IfExists`` and ``ForAllValues:…``: those hold of a request that lacks the key.
BINDING = frozenset({*_EQUAL, *(f"ForAnyValue:{operator}" for operator in _EQUAL)})


def is_bounded(statement: Statement, key: str, meant: Callable[[str], bool]) -> bool:
    """Whether the statement holds only of requests that have ``key``, with a value that is ``meant``."""
    return any(
        operator in BINDING and bool(values) and all(meant(value) for value in values)
        for operator, keys in statement.conditions.items()
        for name, values in keys.items()
        if name.lower() == key.lower()
    )


def is_for_this_account(statement: Statement) -> bool:
    """Whether a service that it lets in comes for this account, or for a resource of it, and for no other."""
    return is_bounded(statement, "aws:SourceAccount", is_this_account) or any(
        is_bounded(statement, key, is_of_this_account)
        for key in ("aws:SourceArn", "kms:EncryptionContext:aws:logs:arn")
    )


def is_this_account(value: str) -> bool:
    return value == ACCOUNT


def is_of_this_account(arn: str) -> bool:
    return account_of(arn) == ACCOUNT


def account_of(arn: str) -> str:
    """Empty where it names none, as a bucket's does."""
    return arn.split(":", 5)[4] if arn.count(":") >= 5 else ""
