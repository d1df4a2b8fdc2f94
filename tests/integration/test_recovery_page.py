"""What docs/recovery.md has an operator run on tables, on tables."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from scripts.local.environment import ROOT

PAGE = (ROOT / "docs" / "recovery.md").read_text(encoding="utf-8")
MORE_THAN_A_BATCH = 60


@pytest.fixture
def tables() -> Iterator[tuple[Any, Any]]:
    """The one restored beside, and the one that is in use."""
    with mock_aws():
        dynamodb = boto3.resource("dynamodb", region_name="eu-west-1")
        yield tuple(
            dynamodb.create_table(
                TableName=name,
                KeySchema=[{"AttributeName": "property_id", "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": "property_id", "AttributeType": "S"}],
                BillingMode="PAY_PER_REQUEST",
            )
            for name in ("integrations-restored", "integrations")
        )


def test_the_copy_of_items_brings_back_what_was_lost_and_leaves_what_is_new(
    tables: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    restored, used = tables
    before = [{"property_id": f"PT-LIS-{number:03}", "zone": "Europe/Lisbon"} for number in range(MORE_THAN_A_BATCH)]
    for item in before:
        restored.put_item(Item=item)
    used.put_item(Item={"property_id": "PT-LIS-000", "zone": "wrong"})
    new = {"property_id": "ES-MAD-001", "zone": "Europe/Madrid"}
    used.put_item(Item=new)
    (code,) = re.findall(r"<!-- copy of items -->\n\n```sh\n.*<<'END'\n(.+?)\nEND\n", PAGE, re.DOTALL)

    monkeypatch.setattr(sys, "argv", ["-", restored.name, used.name])
    exec(code, {})  # noqa: S102 - it is the page's own

    found = sorted(used.scan()["Items"], key=lambda item: str(item["property_id"]))
    assert found == [new, *before]
