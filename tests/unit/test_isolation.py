"""One hotel's secret opens nothing of another's, and nothing that is said of a hotel leads out of its prefix."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from itertools import product
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from lambdas.webhook.receiver import REFRESH_SECONDS, REMEMBERED_SECONDS, Receiver
from scripts.local.environment import ROOT
from shared.errors import Malformed, NotFound, Refuse
from shared.model.identity import record_id
from shared.names import oauth_credentials_name, webhook_secret_name
from shared.pipeline import delivery, raw_keys
from shared.pipeline.delivery import Address, Delivery
from shared.pipeline.transform import map_object, refuse_object
from shared.segments import is_segment
from shared.storage.dynamodb import partition_of
from shared.storage.processed_lake import parquet_key
from shared.storage.secret_stores import SecretsManager
from shared.storage.secrets import Secrets
from shared.streams import Stream
from shared.vendors import registry
from tests import factories
from tests.deliveries import NOW, lambda_context, resource
from tests.fakes.webhook import FakeClock, FakeLanding, FakeSecretsManager
from tests.hostile import CANARY, SEGMENTS, TRAVERSALS, UNSAFE

pytestmark = pytest.mark.isolation

# -- A secret opens its own property -------------------------------------------------------------------

VENDORS = st.sampled_from(registry.VENDORS)
BODIES = st.binary(max_size=20) | st.just(b'{"reservation_id": "R"}')


class Hotels:
    """A receiver that takes deliveries for some hotels, each with secrets of its own that rotate."""

    def __init__(self, vendor: str, properties: list[str]) -> None:
        self._vendor = vendor
        self.event = next(iter(registry.part(vendor, "webhook").EVENTS))
        self.held: dict[str, list[str]] = {}
        """Every secret a hotel has ever had, the newest last."""
        self.store, self.landing, self.clock = FakeSecretsManager(), FakeLanding(), FakeClock()
        self._receiver = Receiver(
            Secrets(SecretsManager(lambda: self.store), self.clock), self.landing, clock=lambda: NOW
        )
        for property_id in properties:
            self.rotate(property_id)

    def rotate(self, property_id: str) -> None:
        """A new secret; the one before verifies too. By the next delivery the first may be asked for again."""
        self.clock.advance(REFRESH_SECONDS + 1)
        secrets = self.held.setdefault(property_id, [])
        secrets.append(f"{property_id}, secret {len(secrets)}")
        current, previous = secrets[-1], secrets[-2] if len(secrets) > 1 else None
        self.store.texts[webhook_secret_name(self._vendor, property_id)] = msgspec.json.encode(
            {"current": current, "previous": previous}
        ).decode()

    def deliver(self, property_id: str, body: bytes, secret: str) -> str:
        """What comes of a delivery that is signed with ``secret``: taken, or the reason it was not."""
        module = registry.part(self._vendor, "webhook")
        headers = {name.lower(): value for name, value in module.signed_headers(body, secret, NOW).items()}
        address = Address(self._vendor, property_id, self.event)
        try:
            self._receiver.receive(Delivery(address, headers, body), lambda_context())
        except Refuse as refusal:
            return refusal.reason
        return "taken"


PLAYS = st.lists(
    st.tuples(st.sampled_from(["deliver", "deliver", "rotate", "wait"]), st.integers(0, 5), st.integers(0, 5), BODIES),
    min_size=1,
    max_size=12,
)


@given(vendor=VENDORS, properties=st.lists(SEGMENTS, min_size=2, max_size=4, unique=True), plays=PLAYS)
@example(vendor="hostpms", properties=["A", "a"], plays=[("deliver", 0, 1, b"{}")])
@example(vendor="hostpms", properties=["A", "A.", "A-"], plays=[("deliver", n, n + 1, b"{}") for n in range(3)])
def test_a_secret_verifies_its_own_hotels_deliveries_alone(vendor: str, properties: list[str], plays: Any) -> None:
    """In whatever order hotels are first heard of, and however their secrets rotate and are remembered meanwhile."""
    hotels = Hotels(vendor, properties)
    for play, one, other, body in plays:
        target, signer = properties[one % len(properties)], properties[other % len(properties)]
        if play == "rotate":
            hotels.rotate(target)
        elif play == "wait":
            hotels.clock.advance(60 * one)
        else:
            newest, chosen = hotels.held[signer][-1], hotels.held[signer][-1 - other % len(hotels.held[signer])]
            hotels.landing.landed.clear()
            result = hotels.deliver(target, body, chosen)

            if signer != target:
                assert result == "wrong_signature"
            elif chosen == newest:
                assert result in ("taken", "not_json")
            keys = [raw.key for raw in hotels.landing.landed]
            assert len(keys) == (result == "taken")
            assert all(key.startswith(f"{vendor}/{target}/webhooks/{hotels.event}/") for key in keys)
            assert all(raw.identity[:2] == (vendor, target) for raw in hotels.landing.landed)


@given(vendor=VENDORS, properties=st.lists(SEGMENTS, min_size=2, max_size=2, unique=True), body=BODIES)
def test_what_is_nearly_a_secret_is_none(vendor: str, properties: list[str], body: bytes) -> None:
    own, other = properties
    hotels = Hotels(vendor, properties)
    for near in (hotels.held[own][0] + "\n", hotels.held[own][0][:-1], hotels.held[other][0], own, "", "null"):
        assert hotels.deliver(own, body, near) == "wrong_signature"
    assert hotels.landing.landed == []


@given(named=SEGMENTS, own=SEGMENTS, entity=st.sampled_from(sorted(factories.GIVEN)), wrapped=st.booleans())
def test_a_record_that_names_another_hotel_is_no_row_of_either(
    named: str, own: str, entity: str, wrapped: bool
) -> None:
    assume(named != own)
    record = factories.text(factories.record(entity, property_id=named))
    payload = (
        b'{"event_id": "e", "property_id": "' + own.encode() + b'", "data": ' + record + b"}" if wrapped else record
    )
    found = map_object(
        factories.page_key(entity, property_id=own),
        factories.envelope(payload, entity, property_id=own),
        factories.context,
    )

    assert not found.rows
    assert [(refusal.reason, refusal.property_id) for refusal in found.refusals] == [("property_mismatch", own)]


# -- Keys and names stay where they belong ---------------------------------------------------------------


class Maker(NamedTuple):
    """A function that makes a key or a name of what others say."""

    make: Callable[..., str]
    """Called with as many segments as ``prefix`` has places, and ``more``."""
    prefix: str
    """What the key begins with: the segments' places in it."""
    depth: int
    """Slashes in it."""
    more: int = 0
    """Further segments, of which the rest of the key is made."""


AT = datetime(2024, 3, 1, tzinfo=UTC)
MAKERS: dict[str, Maker] = {
    "webhook_key": Maker(
        lambda vendor, hotel, event: raw_keys.webhook_key(vendor, hotel, event, AT, b"{}"), "{}/{}/webhooks/{}/", 7
    ),
    "page_key": Maker(
        lambda vendor, hotel, entity, run: raw_keys.page_key(vendor, hotel, entity, AT, run, 1),
        "{}/{}/polling/{}/",
        7,
        more=1,
    ),
    "parquet_key": Maker(
        lambda source, batch: parquet_key("booking", source, batch, AT, 0), "bookings/source={}/", 5, more=1
    ),
    "webhook_secret_name": Maker(webhook_secret_name, "{}/{}/webhook-secret", 2),
    "oauth_credentials_name": Maker(oauth_credentials_name, "{}/{}/oauth-credentials", 2),
    "partition_of": Maker(lambda vendor, hotel: partition_of(Stream(vendor, hotel, "booking")), "{}#{}", 0),
}
EACH_MAKER = pytest.mark.parametrize("maker", MAKERS.values(), ids=MAKERS)


def places(maker: Maker) -> int:
    return maker.prefix.count("{}") + maker.more


def test_every_function_that_makes_a_key_or_a_name_is_tried() -> None:
    assert set(made_in_shared()) == set(MAKERS)


def made_in_shared() -> Iterator[str]:
    """Functions that are named so. What is made inside a class has such a function's result in it, or our own words."""
    for path in sorted((ROOT / "shared").rglob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if not isinstance(node, ast.FunctionDef) or node.name.startswith("_"):
                continue
            named = node.name.endswith(("_key", "_name")) or node.name == "partition_of"
            if named and not any(isinstance(part, ast.Call) and _is_uuid(part) for part in ast.walk(node)):
                yield node.name


def _is_uuid(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Name) and call.func.id == "uuid5"


@EACH_MAKER
@given(data=st.data())
def test_a_key_begins_with_its_prefix_and_has_its_depth(maker: Maker, data: st.DataObject) -> None:
    segments = [data.draw(SEGMENTS) for _ in range(places(maker))]
    key = maker.make(*segments)

    assert key.startswith(maker.prefix.format(*segments))
    assert key.count("/") == maker.depth
    assert ".." not in key
    assert len(key.encode()) <= 1024


@EACH_MAKER
@given(data=st.data())
def test_two_hotels_have_no_key_in_common(maker: Maker, data: st.DataObject) -> None:
    """Nor does one's folder begin another's key."""
    one, other = (tuple(data.draw(SEGMENTS) for _ in range(places(maker))) for _ in range(2))
    assume(one[: places(maker) - maker.more] != other[: places(maker) - maker.more])

    assert maker.make(*one) != maker.make(*other)
    if maker.prefix.endswith("/"):
        assert not maker.make(*one).startswith(maker.prefix.format(*other))


@EACH_MAKER
@given(data=st.data())
def test_what_could_lead_elsewhere_makes_no_key(maker: Maker, data: st.DataObject) -> None:
    segments = [data.draw(SEGMENTS) for _ in range(places(maker))]
    segments[data.draw(st.integers(0, len(segments) - 1))] = data.draw(UNSAFE)

    with pytest.raises(Malformed) as caught:
        maker.make(*segments)
    assert CANARY not in str(caught.value)


@EACH_MAKER
def test_nothing_of_what_is_known_to_lead_elsewhere_makes_a_key(maker: Maker) -> None:
    for text, place in product(TRAVERSALS, range(places(maker))):
        segments = ["a"] * places(maker)
        segments[place] = text
        with pytest.raises(Malformed):
            maker.make(*segments)


@given(delivery_id=st.text(max_size=60) | UNSAFE | SEGMENTS, hotel=SEGMENTS)
def test_a_deliverys_own_id_leads_nowhere(delivery_id: str, hotel: str) -> None:
    key = raw_keys.webhook_key("hostpms", hotel, "guest.created", AT, b"{}", delivery_id)

    assert key.startswith(f"hostpms/{hotel}/webhooks/guest.created/2024/03/01/")
    assert all(map(is_segment, key.split("/")[:4]))
    assert is_segment(key.split("/")[7])


@given(
    parts=st.lists(SEGMENTS | UNSAFE | st.sampled_from(["hostpms", "webhooks", "polling"]), min_size=1, max_size=9),
    by=st.sampled_from(["/", "//", "%2f", "\\"]),
)
@example(parts=["..", "P", "webhooks", "guest.created", "2024", "03", "01", "a.json"], by="/")
@example(parts=["hostpms", "..", "webhooks", "guest.created", "2024", "03", "01", "a.json"], by="/")
@example(parts=["a=b", "P", "webhooks", "guest.created", "2024", "03", "01", "a.json"], by="/")
def test_whatever_lies_in_the_raw_bucket_is_filed_in_its_own_place(parts: list[str], by: str) -> None:
    """Of an object with any key, the quarantine's Parquet file and the property's names are made."""
    key = by.join(parts)
    (refusal,) = refuse_object(key, NotFound("gone", reason="no_such_object")).refusals

    assert is_segment(refusal.vendor)
    assert is_segment(refusal.property_id)
    filed = parquet_key("quarantine", refusal.vendor, "batch", AT, 0)
    assert filed.startswith(f"quarantine/source={refusal.vendor}/year=2024/")
    assert filed.count("/") == 5
    assert key.startswith(f"{refusal.vendor}/{refusal.property_id}/") or refusal.vendor == "unknown"


@given(vendor=SEGMENTS | UNSAFE, hotel=SEGMENTS | UNSAFE, event=SEGMENTS | UNSAFE)
def test_an_address_is_one_of_ours_or_none(vendor: str, hotel: str, event: str) -> None:
    path = {"propertyId": hotel, "event": event}
    try:
        address = delivery.address_of(delivery.read({"resource": resource(vendor), "pathParameters": path}))
    except (NotFound, Malformed):
        return
    assert address.vendor in registry.VENDORS
    assert is_segment(address.property_id)
    assert address.event in registry.part(vendor, "webhook").EVENTS


@given(
    hotels=st.lists(SEGMENTS, min_size=2, max_size=2, unique=True),
    ids=st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=20), min_size=2, max_size=2),
    entity=st.sampled_from(sorted(factories.GIVEN)),
)
@example(hotels=["a", "a.b"], ids=["b:booking:c", "c"], entity="booking")
def test_two_hotels_have_no_id_in_common(hotels: list[str], ids: list[str], entity: str) -> None:
    of = partial(record_id, "hostpms")

    assert of(hotels[0], entity, ids[0]) != of(hotels[1], entity, ids[1])


def test_a_secret_that_was_rotated_away_is_forgotten_in_a_minute() -> None:
    hotels = Hotels("hostpms", ["A"])
    first = hotels.held["A"][0]
    assert hotels.deliver("A", b"{}", first) == "taken"
    hotels.rotate("A")
    hotels.rotate("A")
    hotels.clock.advance(REMEMBERED_SECONDS)

    assert hotels.deliver("A", b"{}", first) == "wrong_signature"
