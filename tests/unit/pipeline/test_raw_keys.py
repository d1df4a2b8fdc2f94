"""A raw object's key is made of what the delivery or the run says, and cannot lead elsewhere."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import Malformed
from shared.pipeline import raw_keys
from shared.segments import SEGMENT, is_segment

AT = datetime(2024, 3, 1, 23, 59, 59, 123000, tzinfo=UTC)
SEGMENTS = st.from_regex(SEGMENT, fullmatch=True).filter(is_segment)


def test_a_delivery_s_key_is_its_day_its_id_and_its_digest() -> None:
    key = raw_keys.webhook_key("hostpms", "PT-LIS-001", "guest.created", AT, b"{}", "evt-7")
    assert key == "hostpms/PT-LIS-001/webhooks/guest.created/2024/03/01/evt-7-44136fa355b3678a.json"


def test_a_delivery_without_an_id_has_the_time_it_was_signed_at() -> None:
    key = raw_keys.webhook_key("hostpms", "P", "e", AT, b"{}")
    assert key == "hostpms/P/webhooks/e/2024/03/01/1709337599123-44136fa355b3678a.json"


def test_a_page_s_key_is_its_run_and_number() -> None:
    key = raw_keys.page_key("hostpms", "P", "booking", AT, "run-1", 3)
    assert key == "hostpms/P/polling/booking/2024/03/01/run-1-00003.ndjson.gz"
    assert raw_keys.page_key("hostpms", "P", "booking", AT, "r", 1, "imports").split("/")[2] == "imports"


@given(SEGMENTS, SEGMENTS, SEGMENTS, st.binary(max_size=9), st.none() | st.text(max_size=200))
def test_a_delivery_s_key_tells_its_address_again(vendor, property_id, event, body, delivery_id) -> None:
    key = raw_keys.webhook_key(vendor, property_id, event, AT, body, delivery_id)
    assert raw_keys.parse(key) == raw_keys.RawAddress(vendor, property_id, "webhooks", event)
    assert len(key.encode()) <= 1024
    assert ".." not in key.split("/")


@given(
    SEGMENTS, SEGMENTS, SEGMENTS, SEGMENTS, st.integers(0, 10**6), st.sampled_from(["polling", "fetched", "imports"])
)
def test_a_page_s_key_tells_its_address_again(vendor, property_id, entity, run, number, channel) -> None:
    key = raw_keys.page_key(vendor, property_id, entity, AT, run, number, channel)
    assert raw_keys.parse(key) == raw_keys.RawAddress(vendor, property_id, channel, entity)


@pytest.mark.parametrize("segment", ["", ".", "..", "a/b", "a b", "é", "-a", "a..b", "a" * 129, "a\n", "a\0"])
def test_what_could_lead_elsewhere_is_no_segment(segment) -> None:
    assert not is_segment(segment)
    with pytest.raises(Malformed):
        raw_keys.webhook_key("hostpms", segment, "e", AT, b"{}")
    with pytest.raises(Malformed):
        raw_keys.page_key("hostpms", "P", segment, AT, "r", 1)


@given(st.text(max_size=40))
def test_any_text_is_an_address_or_malformed(key) -> None:
    with pytest.raises(Malformed):
        raw_keys.parse(key)
