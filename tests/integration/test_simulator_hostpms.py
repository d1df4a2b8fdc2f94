"""The simulator over HTTP: the vendor's API, webhooks to a real receiver, and its own doors."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from scripts.simulators.hostpms import Courier, RunningSimulator, World, running, truth_of
from shared.errors import Unauthenticated
from shared.vendors.hostpms.webhook import EVENTS, verify

LISBON, MADRID = "PT-LIS-001", "ES-MAD-001"
SECRET = "a secret of this test"


@pytest.fixture
def world() -> World:
    return World(5, [LISBON, MADRID], date(2026, 3, 1), rooms=5, history_days=30)


@pytest.fixture
def simulator(world: World) -> Iterator[RunningSimulator]:
    with running(world, courier=Courier(backoff=0.01)) as simulator:
        yield simulator


@dataclass
class Account:
    """A client of one property's account."""

    simulator: RunningSimulator
    property_id: str = LISBON
    token: str = field(init=False)

    def __post_init__(self) -> None:
        self.token = self.new_token()["access_token"]

    def new_token(self, **changes: str) -> dict[str, Any]:
        client = self.simulator.world.credentials(self.property_id)
        asked = {
            "grant_type": "client_credentials",
            "client_id": client.client_id,
            "client_secret": client.client_secret,
            **changes,
        }
        answered: dict[str, Any] = httpx.post(f"{self.simulator.base_url}/oauth/token", data=asked).json()
        return answered

    def page(self, resource: str, property_id: str | None = None, **query: Any) -> httpx.Response:
        url = f"{self.simulator.base_url}/properties/{property_id or self.property_id}/{resource}"
        return httpx.get(url, params=query, headers=self.headers)

    def whole_list(self, resource: str, **query: Any) -> list[dict[str, Any]]:
        records: list[dict[str, Any]] = []
        page: int | None = 1
        while page is not None:
            answered = self.page(resource, page=page, **query).json()
            records += answered["data"]
            page = answered["meta"]["next_page"]
        return records

    def post(self, path: str, content: Any) -> httpx.Response:
        return httpx.post(f"{self.simulator.base_url}/{path}", json=content, headers=self.headers)

    def subscribe(self, url: str, /, **changes: Any) -> httpx.Response:
        asked = {"property_id": self.property_id, "url": url, "events": list(EVENTS), "secret": SECRET, **changes}
        return self.post("webhooks/subscribe", asked)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


@pytest.fixture
def account(simulator: RunningSimulator) -> Account:
    return Account(simulator)


def put_faults(simulator: RunningSimulator, **knobs: Any) -> httpx.Response:
    return httpx.put(f"{simulator.origin}/_simulator/faults", json=knobs)


def updated_at(record: dict[str, Any]) -> str:
    return str(record.get("updated_at") or record["dates"]["updated_at"])


# -- A receiver of webhooks --------------------------------------------------------------------------
@dataclass(frozen=True)
class Received:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def record(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self.body)
        record: dict[str, Any] = content.get("data", content)
        return record

    def is_authentic(self) -> bool:
        try:
            verify(self.headers, self.body, [SECRET], datetime.now(UTC))
        except Unauthenticated:
            return False
        return True


class Receiver:
    """Keeps what it is sent; ``judge`` decides on the status of each answer."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.judge: Callable[[Received], int] = lambda _: 200
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # one packet for head and body: no waiting for a delayed acknowledgement

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                delivery = Received(self.path, {k.lower(): v for k, v in self.headers.items()}, body)
                receiver.received.append(delivery)
                answer = b'{"result": "accepted"}'
                self.send_response(receiver.judge(delivery))
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/webhooks/hostpms"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    thread = threading.Thread(target=receiver.server.serve_forever, args=(0.01,))
    thread.start()
    yield receiver
    receiver.server.shutdown()
    receiver.server.server_close()
    thread.join()


# -- The vendor's API --------------------------------------------------------------------------------
def test_a_token_is_had_with_a_form_or_json_and_says_how_long_it_is_good(account: Account) -> None:
    client = account.simulator.world.credentials(LISBON)
    asked = {"grant_type": "client_credentials", "client_id": client.client_id, "client_secret": client.client_secret}
    by_json = httpx.post(f"{account.simulator.base_url}/oauth/token", json=asked)
    for answered in (account.new_token(), by_json.json()):
        assert (answered["token_type"], answered["expires_in"]) == ("Bearer", 3600)


def test_a_wrong_client_and_a_wrong_grant_are_refused(account: Account) -> None:
    assert account.new_token(client_secret="guess")["error"] == "invalid_client"
    assert account.new_token(grant_type="password")["error"] == "unsupported_grant_type"


def test_pages_hold_every_record_once_in_the_order_of_updated_at(account: Account) -> None:
    for resource, entity in {
        "reservations": "booking",
        "guests": "guest",
        "rooms": "room",
        "payments": "payment",
    }.items():
        listed = account.whole_list(resource, per_page=7)
        instants = [updated_at(record) for record in listed]
        assert len(listed) == len(truth_of(account.simulator.world.hotel(LISBON)).records[entity])
        assert instants == sorted(instants)


def test_a_page_says_where_it_stands(account: Account) -> None:
    total = len(account.whole_list("rooms"))
    first, last = (account.page("rooms", per_page=3, page=page).json()["meta"] for page in (1, 2))
    assert first == {"page": 1, "per_page": 3, "total": total, "next_page": 2}
    assert last["next_page"] is None
    assert account.page("rooms", page=9).json()["data"] == []


def test_updated_since_gives_that_instant_and_later(account: Account) -> None:
    instants = [updated_at(record) for record in account.whole_list("guests")]
    middle = instants[len(instants) // 2]
    since = account.whole_list("guests", updated_since=middle)
    assert [updated_at(record) for record in since] == [instant for instant in instants if instant >= middle]


@pytest.mark.parametrize(
    "query", [{"per_page": 101}, {"page": 0}, {"per_page": "many"}, {"updated_since": "yesterday"}]
)
def test_a_query_that_means_nothing_is_refused(account: Account, query: dict[str, Any]) -> None:
    assert account.page("guests", **query).status_code == 400


def test_another_accounts_property_and_an_unknown_list_are_not_found(account: Account) -> None:
    assert account.page("guests", MADRID).status_code == 404
    assert account.page("guests", "PT-OPO-404").status_code == 404
    assert account.page("minibars").status_code == 404


def test_without_a_good_token_nobody_is_let_in(account: Account) -> None:
    put_faults(account.simulator, token_lifetime=0)
    expired = account.new_token()
    assert expired["expires_in"] == 0
    for token in ("none", "made-up", expired["access_token"]):
        account.token = token
        assert account.page("guests").status_code == 401
        assert account.post("webhooks/unsubscribe", {}).status_code == 401


def test_a_revoked_token_is_refused(account: Account) -> None:
    httpx.post(f"{account.simulator.origin}/_simulator/revoke-tokens").raise_for_status()
    assert account.page("guests").status_code == 401


def test_the_limit_is_kept_for_each_list_and_says_when_to_come_back(account: Account) -> None:
    put_faults(account.simulator, requests_per_minute=3)
    answers = [account.page("guests") for _ in range(4)]
    assert [answered.status_code for answered in answers] == [200, 200, 200, 429]
    assert 50 <= int(answers[-1].headers["Retry-After"]) <= 60
    assert account.page("rooms").status_code == 200


@pytest.mark.parametrize(("knob", "status"), [("rate_429", 429), ("rate_500", 500), ("rate_503", 503)])
def test_a_fault_of_the_api_is_answered_as_its_status(account: Account, knob: str, status: int) -> None:
    put_faults(account.simulator, **{knob: 1, "retry_after": 2})
    answered = account.page("guests")
    assert answered.status_code == status
    assert answered.headers.get("Retry-After") == ("2" if status == 429 else None)
    requests = httpx.get(f"{account.simulator.origin}/_simulator/requests").json()
    assert requests["guests"] == {str(status): 1}


def test_a_slow_answer_comes_late(account: Account) -> None:
    put_faults(account.simulator, slow=1, slow_seconds=0.3)
    assert account.page("rooms").elapsed.total_seconds() >= 0.3


def test_a_cut_page_ends_in_the_middle(account: Account) -> None:
    whole = account.page("rooms")
    put_faults(account.simulator, cut=1)
    answered = account.page("rooms")
    assert answered.status_code == 200
    assert answered.content == whole.content[: len(whole.content) // 2]


# -- Webhooks ----------------------------------------------------------------------------------------
def test_every_event_is_delivered_once_signed_and_below_the_subscribed_url(
    account: Account, receiver: Receiver
) -> None:
    account.subscribe(f"{receiver.url}/{LISBON}").raise_for_status()
    answered = account.simulator.advance(10)
    assert answered == len(receiver.received) > 50
    assert all(delivery.is_authentic() for delivery in receiver.received)
    assert {delivery.record["property_id"] for delivery in receiver.received} == {LISBON}
    events = {delivery.path.removeprefix(f"/webhooks/hostpms/{LISBON}/") for delivery in receiver.received}
    assert {"reservation.created", "payment.received", "guest.created", "room.status_changed"} <= events <= set(EVENTS)


def test_deliveries_of_one_record_arrive_in_the_order_of_its_changes(account: Account, receiver: Receiver) -> None:
    account.subscribe(receiver.url)
    account.simulator.advance(10)
    arrived: dict[str, list[str]] = defaultdict(list)
    for delivery in receiver.received:
        record = delivery.record
        if "room_id" in record:
            arrived[record["room_id"]].append(updated_at(record))
    assert any(len(changes) > 3 for changes in arrived.values())
    assert all(before < after for changes in arrived.values() for before, after in pairwise(changes))


def test_the_latest_of_all_versions_heard_and_listed_is_the_truth(account: Account, receiver: Receiver) -> None:
    account.subscribe(receiver.url)
    put_faults(account.simulator, drop=0.2, reorder=0.2, delay=0.1, duplicate=0.2, forge=0.2, stale=0.2)
    account.simulator.advance(10)
    heard = [delivery.record for delivery in receiver.received if delivery.is_authentic()]
    copy: dict[str, dict[str, Any]] = {}
    for record in [*heard, *account.whole_list("reservations")]:
        known = copy.get(record.get("reservation_id", ""))
        if "dates" in record and (known is None or updated_at(known) <= updated_at(record)):
            copy[record["reservation_id"]] = record
    truth = httpx.get(f"{account.simulator.origin}/_simulator/truth", params={"property_id": LISBON}).json()
    assert copy == truth["records"]["booking"]


def test_of_what_is_sent_exactly_the_forged_and_the_stale_are_not_authentic(
    account: Account, receiver: Receiver
) -> None:
    account.subscribe(receiver.url)
    receiver.judge = lambda delivery: 200 if delivery.is_authentic() else 401
    put_faults(account.simulator, forge=0.3, stale=0.3, duplicate=0.3, malformed=0.3, reorder=0.3)
    account.simulator.advance(10)
    answers = deliveries(account.simulator)["answers"]
    assert set(answers) == {"valid", "out_of_order", "duplicate", "forged", "stale", "malformed"}
    for kind, answered in answers.items():
        assert set(answered) == {"401 accepted" if kind in ("forged", "stale") else "200 accepted"}, kind


def test_a_delivery_that_failed_is_sent_again_with_the_same_bytes_and_seal(
    account: Account, receiver: Receiver
) -> None:
    account.subscribe(receiver.url, events=["guest.created"])
    seen: Counter[bytes] = Counter()

    def fails_twice(delivery: Received) -> int:
        seen[delivery.body] += 1
        return 503 if seen[delivery.body] <= 2 else 200

    receiver.judge = fails_twice
    account.simulator.advance(10)
    assert set(seen.values()) == {3}
    for body in seen:
        same = {delivery.headers["x-hostpms-signature"] for delivery in receiver.received if delivery.body == body}
        assert len(same) == 1
    assert {sent["attempts"] for sent in deliveries(account.simulator)["log"]} == {3}


def test_a_delivery_nobody_takes_is_given_up_and_counted(account: Account, receiver: Receiver) -> None:
    account.subscribe(receiver.url, events=["guest.created"])
    receiver.judge = lambda _: 500
    answered = account.simulator.advance(5)
    assert len(receiver.received) == 4 * answered > 0
    assert deliveries(account.simulator)["failed"] == answered


def test_a_receiver_that_is_down_is_counted_too(account: Account) -> None:
    account.subscribe("http://127.0.0.1:9/nobody", events=["guest.created"])
    answered = account.simulator.advance(5)
    assert deliveries(account.simulator)["statuses"] == {"no answer": answered}


def test_a_refused_delivery_is_not_repeated(account: Account, receiver: Receiver) -> None:
    account.subscribe(receiver.url, events=["guest.created"])
    receiver.judge = lambda _: 401
    assert account.simulator.advance(5) == len(receiver.received)


def test_after_unsubscribing_nothing_is_delivered(account: Account, receiver: Receiver) -> None:
    subscription = account.subscribe(receiver.url).json()
    account.post("webhooks/unsubscribe", subscription).raise_for_status()
    assert account.simulator.advance(3) == 0
    assert account.post("webhooks/unsubscribe", subscription).status_code == 404


@pytest.mark.parametrize(
    "changes", [{"events": []}, {"events": ["minibar.emptied"]}, {"secret": None}, {"url": "ftp://a.example"}]
)
def test_a_subscription_that_is_not_complete_is_refused(account: Account, changes: dict[str, Any]) -> None:
    assert account.subscribe("http://a.example", **changes).status_code == 400


def test_an_account_cannot_subscribe_anothers_property(account: Account) -> None:
    assert account.subscribe("http://a.example", property_id=MADRID).status_code == 404


def test_invalid_records_are_announced_listed_or_both_and_the_truth_names_them(
    account: Account, receiver: Receiver
) -> None:
    account.subscribe(receiver.url)
    put_faults(account.simulator, invalid_records=0.5, drop=0.5)
    account.simulator.advance(15)
    refused = set(truth_of(account.simulator.world.hotel(LISBON)).refused["booking"])
    listed = {record["reservation_id"] for record in account.whole_list("reservations")} & refused
    heard = {sent["record_id"] for sent in deliveries(account.simulator)["log"] if sent["refused"]} & refused
    assert listed | heard == refused
    assert listed - heard
    assert heard - listed


def test_deliveries_are_paced_where_asked(world: World, receiver: Receiver) -> None:
    with running(world, courier=Courier(per_second=5)) as simulator:
        Account(simulator).subscribe(receiver.url, events=["guest.created"])
        answered = simulator.advance(10)
        sent = sorted(entry["sent_at"] for entry in deliveries(simulator)["log"])
    assert answered > 5
    # Less than the whole: of two turns the first may be used late.
    assert sent[-1] - sent[0] >= (answered - 1) / 5 * 0.75


# -- The simulator's own doors -----------------------------------------------------------------------
def deliveries(simulator: RunningSimulator, **query: Any) -> dict[str, Any]:
    answered: dict[str, Any] = httpx.get(f"{simulator.origin}/_simulator/deliveries", params=query).json()
    return answered


def test_the_log_can_be_read_on_from_where_one_stopped_and_for_one_hotel(account: Account, receiver: Receiver) -> None:
    account.subscribe(receiver.url)
    Account(account.simulator, MADRID).subscribe(receiver.url)
    account.simulator.advance(2)
    first = deliveries(account.simulator)
    account.simulator.advance(2)
    second = deliveries(account.simulator, after=first["next"])
    assert len(first["log"]) + len(second["log"]) == second["next"] == sum(second["sent"].values())
    lisbon = deliveries(account.simulator, property_id=LISBON)
    assert {entry["property_id"] for entry in lisbon["log"]} == {LISBON}
    assert "log" not in deliveries(account.simulator, log="false")


def test_a_log_entry_tells_what_latency_needs(account: Account, receiver: Receiver) -> None:
    account.subscribe(receiver.url, events=["room.status_changed"])
    account.simulator.advance(2)
    entry = deliveries(account.simulator)["log"][0]
    assert (entry["entity"], entry["status"], entry["result"]) == ("room", 200, "accepted")
    assert entry["sent_at"] <= entry["answered_at"] < entry["sent_at"] + 30
    assert entry["record_id"] in truth_of(account.simulator.world.hotel(LISBON)).records["room"]
    assert entry["updated_at"].endswith("Z")


def test_advance_over_http_lives_on(account: Account, receiver: Receiver) -> None:
    account.subscribe(receiver.url)
    advanced = httpx.post(f"{account.simulator.origin}/_simulator/advance", json={"days": 3}, timeout=60).json()
    assert advanced == {"now": "2026-03-04T00:00:00Z", "answered": len(receiver.received)}


def test_silent_days_are_heard_of_by_nobody(account: Account, receiver: Receiver) -> None:
    account.subscribe(receiver.url)
    assert account.simulator.advance(3, announce=False) == 0
    assert receiver.received == []
    assert account.simulator.world.today == date(2026, 3, 4)


def test_what_is_held_back_is_sent_with_the_flush(account: Account, receiver: Receiver) -> None:
    account.subscribe(receiver.url, events=["guest.created"])
    put_faults(account.simulator, delay=1, delay_days=100)
    assert account.simulator.advance(5, flush=False) == 0
    assert account.simulator.advance(0) == len(receiver.received) > 0


def test_the_hotels_tell_what_onboarding_needs(simulator: RunningSimulator) -> None:
    shown = httpx.get(f"{simulator.origin}/_simulator/properties").json()["properties"]
    client = simulator.world.credentials(MADRID)
    madrid = next(hotel for hotel in shown if hotel["property_id"] == MADRID)
    assert (madrid["time_zone"], madrid["client_id"], madrid["client_secret"]) == (
        "Europe/Madrid",
        client.client_id,
        client.client_secret,
    )


def test_knobs_can_be_read_and_set_and_wrong_ones_are_refused_with_the_known(simulator: RunningSimulator) -> None:
    put_faults(simulator, drop=0.25).raise_for_status()
    assert httpx.get(f"{simulator.origin}/_simulator/faults").json()["drop"] == 0.25
    refused = put_faults(simulator, dropp=1)
    assert refused.status_code == 400
    assert "requests_per_minute" in refused.json()["message"]
    assert put_faults(simulator, drop="often").status_code == 400


@pytest.mark.parametrize("days", [-1, "many", True, 10**6])
def test_an_impossible_number_of_days_is_refused(simulator: RunningSimulator, days: Any) -> None:
    assert httpx.post(f"{simulator.origin}/_simulator/advance", json={"days": days}).status_code == 400


def test_the_truth_of_an_unknown_property_is_not_found(simulator: RunningSimulator) -> None:
    answered = httpx.get(f"{simulator.origin}/_simulator/truth", params={"property_id": "PT-OPO-404"})
    assert answered.status_code == 404
    assert MADRID in answered.json()["message"]


def test_nothing_is_left_of_a_simulator_that_was_stopped(world: World) -> None:
    before = set(threading.enumerate())
    with running(world) as simulator:
        httpx.get(f"{simulator.origin}/_simulator/faults").raise_for_status()
    # Of those before, some may end meanwhile: another test's receiver hears of its last connections' ends by and by.
    assert set(threading.enumerate()) <= before
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{simulator.origin}/_simulator/faults")


def test_the_process_says_where_it_is_and_ends_when_told_to() -> None:
    command = [sys.executable, "-m", "scripts.simulators.hostpms", "serve", "--rooms", "3", "--history-days", "5"]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=root, env=os.environ) as process:
        try:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            shown = httpx.get(f"{ready['origin']}/_simulator/properties").json()["properties"]
            assert [hotel["property_id"] for hotel in shown] == [LISBON, MADRID]
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) in (0, -signal.SIGTERM)
