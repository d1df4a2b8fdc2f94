"""Everything that reads what others wrote: by name, a sound sample, how it is read, and what is then done with it.

A new decoder is a line here: ``tests/unit/test_hostile_decoders.py`` tries all of them on anything.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import nullcontext, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
import pytest
from psycopg.conninfo import conninfo_to_dict

from scripts.cli import payload_files, queues, stage
from scripts.local import state
from shared.errors import Malformed
from shared.hotel_secrets import Held, OAuthCredentials, WebhookSecret
from shared.pipeline import audit, audit_orders, envelope, manifest, poll_orders, raw_keys, rotation, rotation_orders
from shared.pipeline.cursors import Cursor
from shared.pipeline.live import apply_objects
from shared.pipeline.manifest import Manifest, RawEvent
from shared.pipeline.poll_orders import PollOrder
from shared.pipeline.transform import map_object, map_payload
from shared.segments import is_segment
from shared.storage import dynamodb, postgres, sync_state
from shared.storage.integrations import Integration, Integrations
from shared.storage.processed_lake import parquet_key
from shared.storage.raw_lake import unpacked
from shared.storage.secret_stores import SecretsManager
from shared.storage.secrets import Secrets
from shared.streams import Stream
from shared.vendors.api_contract import Listed, ListPage
from shared.vendors.hostpms import api, lists, payloads, statuses, webhook
from tests import factories
from tests.fakes.lakes import FakeRawLake, FakeStore
from tests.fakes.webhook import FakeSecretsManager
from tests.hostile import CANARY

STREAM = Stream("hostpms", factories.PROPERTY, "booking")


class Decoder(NamedTuple):
    sample: bytes
    read: Callable[[bytes], Any]
    """Gives a record, or raises one of our own errors."""
    use: Callable[[Any], object] = lambda record: None
    """What is done with a record next; raises nothing."""


def sample(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


def item(read: Callable[[dict[str, Any]], Any], text: bytes) -> Any:
    """A table's item that holds what ``text`` says."""
    fields = json.loads(text.decode("utf-8", "replace"))
    if not isinstance(fields, dict):
        raise Malformed("DynamoDB has no such item", reason="none")
    return read(fields)


def table(answer: dict[str, Any]) -> Any:
    class Table:
        name = "table"

        def get_item(self, **_: object) -> dict[str, Any]:
            return {"Item": answer}

        def put_item(self, **_: object) -> dict[str, Any]:
            return {"Attributes": answer}

    return Table()


def text_item(read: Callable[[dict[str, Any]], Any]) -> Callable[[bytes], Any]:
    def reading(text: bytes) -> Any:
        # What is no JSON object cannot be in a table.
        with suppress(ValueError, RecursionError):
            return item(read, text)
        raise Malformed("no item", reason="none")

    return reading


def secret(kind: type[Any]) -> Callable[[bytes], Any]:
    def reading(text: bytes) -> Any:
        store = FakeSecretsManager()
        store.texts["hostpms/P/secret"] = text.decode("utf-8", "replace")
        return Secrets(SecretsManager(lambda: store)).read("hostpms/P/secret", kind)

    return reading


def file_of(read: Callable[[Path], Any], name: str) -> Callable[[bytes], Any]:
    def reading(text: bytes) -> Any:
        with TemporaryDirectory() as folder:
            (Path(folder) / name).write_bytes(text)
            return read(Path(folder))

    return reading


def cdk_json(folder: Path) -> Any:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(stage, "_CONFIGURATION", folder / "cdk.json")
        return stage._known("local")


# -- What is done with what was read -----------------------------------------------------------------


def batch(one: Manifest) -> None:
    other = manifest.decode(MANIFEST)
    for whole in manifest.merged([one, other]):
        assert manifest.decode(manifest.encode(whole)) == whole
        assert whole.buckets >= 1
        assert whole.created_at.astimezone(UTC)
        assert sum(map(len, whole.groups())) == len(whole.objects)
        key = parquet_key("booking", "hostpms", whole.batch_id, whole.created_at, 0)
        assert key.startswith("bookings/source=hostpms/year=")
        assert ".." not in key
        assert len(key.split("/")) == 6
    assert audit.Batches([one], [other]).judge("other")


def announced(event: RawEvent) -> None:
    batch(manifest.manifest_of([event, manifest.read_event(EVENT)]))
    key = event.detail.object.key
    store = FakeStore()
    applied = apply_objects([key], FakeRawLake({key: b"{}"}).many, factories.context, store)
    assert not applied.failed
    raw_keys.day_of(key)
    for refusal in store.refusals:
        assert parquet_key("quarantine", refusal.vendor, "batch", factories.RECEIVED, 0).count("/") == 5
        assert len(refusal.raw_key.encode()) <= 1024
        assert "\0" not in refusal.raw_key


def ordered(order: PollOrder) -> None:
    assert dynamodb.partition_of(order.stream).count("#") == 1
    at = order.started_at or factories.RECEIVED
    assert raw_keys.page_key(*order.stream, at, order.run_id or "r", 1).startswith(f"{order.vendor}/")
    for instant in (at, order.not_before or at, (order.place and order.place.since) or at):
        assert dynamodb.written(instant)
    assert 2.0 ** (order.idle_legs + 1) > 0


def audited(order: audit_orders.Order) -> None:
    if isinstance(order, audit_orders.HotelAudit):
        assert order.prefix == f"{order.vendor}/{order.property_id}/"
        assert order.prefix.count("/") == 2
        assert ".." not in order.prefix.split("/")
        assert raw_keys.before_day(f"{order.prefix}polling/booking/x", order.since).startswith(order.prefix)


def rotated(order: rotation_orders.Order) -> None:
    if isinstance(order, rotation_orders.HotelRotation):
        assert is_segment(order.vendor)
        assert is_segment(order.property_id)
        rotation.rotate(order, desk(WebhookSecret("a")))


def verified(found: WebhookSecret) -> None:
    """And whatever times stand in it, a rotation gets on with it."""
    assert found.verifying(factories.RECEIVED)[0] == found.current
    order = rotation_orders.HotelRotation(vendor="hostpms", property_id="P", older_than=factories.RECEIVED)
    leg = rotation.rotate(order, desk(found))
    assert leg.again_after is None or leg.again_after <= timedelta(seconds=30)


def desk(stored: WebhookSecret) -> rotation.Desk:
    held: Any = Held(stored, 1, factories.RECEIVED)
    vault: Any = SimpleNamespace(held=lambda: held, replace=lambda seen, secret: None)
    return rotation.Desk(
        vault,
        lambda value: None,
        nullcontext,
        lambda: factories.RECEIVED,
        lambda: "b",
        timedelta(1),
        timedelta(seconds=30),
    )


def carried(one: envelope.Envelope[Any]) -> None:
    assert envelope.decode(envelope.encode(one)).payload is not None
    assert one.received_at.astimezone(UTC)


def mapped(key: str, text: bytes) -> Any:
    found = map_object(key, text, factories.context)
    assert found.records == len(found.refusals) + len({row.raw_line for rows in found.rows.values() for row in rows})
    for refusal in found.refusals:
        assert CANARY not in str(refusal)
    return found


def by_hand(text: bytes) -> list[Any]:
    """As ``pousada map`` takes a file."""
    records = list(payload_files.records(text))
    for found in records:
        if isinstance(found, Malformed):
            assert CANARY not in str(found)
        else:
            map_payload("hostpms", "booking", found.payload, factories.context())
    return records


def instant(value: datetime | None) -> None:
    assert value is None or value.astimezone(UTC)


def cursor(found: Cursor) -> None:
    page = ListPage([Listed(msgspec.Raw(b"{}"), None)], True, None, factories.RECEIVED, 0.0)
    assert found.updated_since.astimezone(UTC)
    assert not found.knows(page, factories.RECEIVED)


def integration(found: Integration) -> None:
    assert len(found.streams) == len(found.entities)
    assert ZoneInfo(found.time_zone)


def database(conninfo: str) -> None:
    assert "\0" not in conninfo
    assert conninfo_to_dict(conninfo)["sslmode"]


MANIFEST = b"""{"batch_id": "20240301T103000Z-0123456789abcdef", "created_at": "2024-03-01T10:30:00Z",
 "objects": [{"key": "hostpms/P/polling/booking/2024/03/01/r-00001.ndjson.gz", "size": 100}],
 "merged_from": ["20240301T093000Z-0123456789abcdef"]}"""
EVENT = sample(
    version="0",
    source="aws.s3",
    time="2024-03-01T10:30:00Z",
    detail={"bucket": {"name": "raw"}, "object": {"key": factories.webhook_key(), "size": 100, "etag": "x"}},
)
AUDIT_ORDER = sample(
    audit="hotel",
    vendor="hostpms",
    property_id=factories.PROPERTY,
    since="2024-03-01",
    settled_before="2024-03-01T10:30:00Z",
    after=factories.page_key(),
)
ORDER = sample(
    vendor="hostpms",
    property_id=factories.PROPERTY,
    entity="booking",
    run_id="abc123",
    started_at="2024-03-01T10:30:00Z",
    place={"since": "2024-03-01T10:30:00Z", "page": 2, "heading": "back", "newest": "2024-03-01T10:30:00Z"},
    not_before="2024-03-01T10:30:00Z",
    idle_legs=1,
)
ROTATION_ORDER = sample(
    rotate="hotel",
    vendor="hostpms",
    property_id=factories.PROPERTY,
    older_than="2024-03-01T10:30:00Z",
    forget_previous=True,
)
WEBHOOK_SECRET = sample(
    current="a",
    previous="b",
    previous_until="2024-03-01T10:30:00Z",
    next="c",
    next_since="2024-03-01T10:30:00Z",
    since="2024-03-01T10:30:00Z",
)
LIST = b'{"data": [' + factories.GIVEN["booking"].encode() + b'], "meta": {"next_page": null, "total": 1, "page": 1}}'
RUN = sample(
    pk="hostpms#P", sk="run#booking", vendor="hostpms", property_id="P", entity="booking", run_id="r",
    started_at="2024-03-01T10:30:00Z", status="failed", finished_at=None, fetched=1, pages=1, error="Malformed: no",
)  # fmt: skip
HOTEL = sample(
    property_id=factories.PROPERTY, vendor="hostpms", status="active", time_zone="Europe/Lisbon",
    base_url="https://api.example/v3", entities=["booking"], subscription_id="1", onboarded_at="2024-03-01T10:30:00Z",
)  # fmt: skip
LEASE = sample(holder="h", run_id="r", started_at="2024-03-01T10:30:00Z", reserved=False, expires_at=1)
DATABASE = sample(host="h", port=5432, dbname="d", username="u", password="p", sslmode="disable", engine="postgres")

DECODERS: dict[str, Decoder] = {
    "envelope": Decoder(factories.envelope(factories.GIVEN["booking"]), envelope.decode, carried),
    "manifest": Decoder(MANIFEST, manifest.decode, batch),
    "raw event": Decoder(EVENT, manifest.read_event, announced),
    "raw event as text": Decoder(EVENT, lambda text: manifest.read_event(text.decode("utf-8", "replace")), announced),
    "poll order": Decoder(ORDER, poll_orders.decode, ordered),
    "audit order": Decoder(AUDIT_ORDER, audit_orders.decode, audited),
    "rotation order": Decoder(ROTATION_ORDER, rotation_orders.decode, rotated),
    "delivery id": Decoder(b'{"event_id": "e", "data": {"a": 1}}', partial(webhook.delivery_id, {})),
    **{
        f"payload of a {entity}": Decoder(text.encode(), partial(payloads.decode, entity=entity))
        for entity, text in factories.GIVEN.items()
    },
    "list": Decoder(LIST, lists.decode_list),
    **{
        f"time of a {entity}": Decoder(text.encode(), partial(lists.updated_at_of, entity), instant)
        for entity, text in factories.GIVEN.items()
    },
    "access token": Decoder(
        sample(access_token="t", expires_in=3600), lambda text: api._decoded(text, api._Granted, "the token's answer")
    ),
    "subscription": Decoder(
        sample(subscription_id=1), lambda text: api._decoded(text, api._Subscribed, "the answer to subscribe")
    ),
    "retry after": Decoder(
        b'"Fri, 01 Mar 2024 10:30:00 GMT"',
        lambda text: statuses.retry_after(text.strip(b'"').decode("latin-1"), factories.RECEIVED),
    ),
    "raw object of a delivery": Decoder(
        factories.envelope(factories.GIVEN["booking"], None, event="reservation.created"),
        partial(mapped, factories.webhook_key()),
    ),
    "raw object of a page": Decoder(
        factories.envelope(factories.GIVEN["booking"]), partial(mapped, factories.page_key())
    ),
    "gzip file": Decoder(b"{}", lambda text: text[:2] != b"\x1f\x8b" or unpacked(text, 1_000_000)),
    "webhook secret": Decoder(WEBHOOK_SECRET, secret(WebhookSecret), verified),
    "OAuth credentials": Decoder(sample(client_id="a", client_secret="b"), secret(OAuthCredentials)),
    "database secret": Decoder(DATABASE, lambda text: postgres.conninfo(text.decode("utf-8", "replace")), database),
    "integration": Decoder(
        HOTEL, text_item(lambda fields: Integrations(table(fields)).get("P", "hostpms")), integration
    ),
    "cursor": Decoder(
        sample(
            pk="a", sk="b", updated_since="2024-03-01T10:30:00.000000Z", landed=["a", "b"],
            landed_at="2024-03-01T10:30:00.000000Z",
        ),
        text_item(lambda fields: sync_state.Cursors(table(fields)).get(STREAM)),
        cursor,
    ),
    "sync run": Decoder(RUN, text_item(lambda fields: sync_state._run(fields, STREAM))),
    "lease": Decoder(LEASE, text_item(sync_state._expired)),
    "shared token": Decoder(
        sample(value="t", refresh_at="2024-03-01T10:30:00Z"),
        text_item(lambda fields: sync_state.SharedToken(table(fields), "hostpms", "P").shared()),
    ),
    "payload file": Decoder(b"[" + factories.GIVEN["booking"].encode() + b"]", by_hand),
    "dead letter": Decoder(EVENT, lambda text: queues.about(text.decode("utf-8", "replace"))),
    "state of the local target": Decoder(
        sample(stage="local", endpoint="http://127.0.0.1:1", dsn="d", webhook_url="w", processes={"a": 1}),
        file_of(state.read, "state.json"),
    ),
    "cdk.json": Decoder(
        sample(context={"pousada": {"prefix": "p", "stages": {"local": {"region": "eu-west-1"}}}}),
        file_of(cdk_json, "cdk.json"),
    ),
}  # fmt: skip
