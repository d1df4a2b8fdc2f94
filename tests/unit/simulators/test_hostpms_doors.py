"""The small parts behind the doors: seals, limits, tokens, subscriptions, knobs."""

from __future__ import annotations

import pytest

from scripts.simulators.hostpms.deliveries import Sent, counters
from scripts.simulators.hostpms.faults import DEMONSTRATION, Faults
from scripts.simulators.hostpms.letters import Hand, Letter, sign
from scripts.simulators.hostpms.limits import SlidingWindow
from scripts.simulators.hostpms.subscriptions import Subscriptions
from scripts.simulators.hostpms.tokens import Tokens
from scripts.simulators.hostpms.world import Credentials

NOW = 1_711_000_000.5


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


# -- Seals -------------------------------------------------------------------------------------------
def test_the_signature_is_hmac_sha256_of_timestamp_dot_body() -> None:
    # Computed with: printf '1711000000.{"a":1}' | openssl dgst -sha256 -hmac secret
    known = "ef5c0892775307dc287853d022d403f0ffb00522f208a86d050a62e383a9b608"
    assert sign("secret", "1711000000", b'{"a":1}') == known


@pytest.mark.parametrize(
    ("form", "written"),
    [("seconds", "1711000000"), ("milliseconds", "1711000000500"), ("iso", "2024-03-21T05:46:40.500+00:00")],
)
def test_the_signed_timestamp_is_the_one_in_the_header(form: str, written: str) -> None:
    headers = Letter(b"{}", Hand(timestamp=form)).headers("secret", NOW)
    assert headers["X-HostPMS-Timestamp"] == written
    assert headers["X-HostPMS-Signature"] == sign("secret", written, b"{}")


def test_a_prefix_may_name_the_algorithm() -> None:
    headers = Letter(b"{}", Hand(prefixed=True)).headers("secret", NOW)
    assert headers["X-HostPMS-Signature"] == f"sha256={sign('secret', '1711000000', b'{}')}"


def test_a_letter_is_sealed_once_and_repeated_as_it_is() -> None:
    letter = Letter(b"{}")
    assert letter.headers("secret", NOW) == letter.headers("secret", NOW + 100)


@pytest.mark.parametrize("forgery", ["wrong_secret", "tampered"])
def test_a_forgery_is_signed_but_not_by_the_secret_over_the_body(forgery: str) -> None:
    headers = Letter(b"{}", Hand(forgery=forgery)).headers("secret", NOW)  # type: ignore[arg-type]
    assert headers["X-HostPMS-Signature"] != sign("secret", headers["X-HostPMS-Timestamp"], b"{}")


def test_a_forgery_may_lack_a_header() -> None:
    assert "X-HostPMS-Signature" not in Letter(b"{}", Hand(forgery="unsigned")).headers("secret", NOW)
    assert "X-HostPMS-Timestamp" not in Letter(b"{}", Hand(forgery="no_timestamp")).headers("secret", NOW)


# -- Limits ------------------------------------------------------------------------------------------
def test_the_window_slides() -> None:
    clock = Clock()
    window = SlidingWindow(clock)
    for second in (0, 20, 40):
        clock.now = second
        assert window.wait(("PT-LIS-001", "guests"), 3) == 0
    clock.now = 50
    assert window.wait(("PT-LIS-001", "guests"), 3) == 10
    clock.now = 60
    assert window.wait(("PT-LIS-001", "guests"), 3) == 0
    assert window.wait(("PT-LIS-001", "guests"), 3) == 20


def test_each_property_and_endpoint_has_a_limit_of_its_own() -> None:
    window = SlidingWindow(Clock())
    keys = [("PT-LIS-001", "guests"), ("PT-LIS-001", "rooms"), ("ES-MAD-001", "guests")]
    assert [window.wait(key, 1) for key in keys] == [0, 0, 0]
    assert window.wait(keys[0], 1) == 60


# -- Tokens ------------------------------------------------------------------------------------------
def test_a_token_speaks_for_its_property_until_it_expires() -> None:
    clock, client = Clock(), Credentials("client", "secret")
    tokens = Tokens({"PT-LIS-001": client}, clock)
    token = tokens.issue(client, lifetime=10)
    assert token is not None
    clock.now = 9.9
    assert tokens.property_of(token.text) == "PT-LIS-001"
    clock.now = 10
    assert tokens.property_of(token.text) is None


def test_a_wrong_secret_gets_no_token() -> None:
    tokens = Tokens({"PT-LIS-001": Credentials("client", "secret")}, Clock())
    assert tokens.issue(Credentials("client", "guess"), lifetime=10) is None


def test_revoked_tokens_are_good_no_more() -> None:
    client = Credentials("client", "secret")
    tokens = Tokens({"PT-LIS-001": client}, Clock())
    token = tokens.issue(client, lifetime=10)
    tokens.revoke_all()
    assert token is not None
    assert tokens.property_of(token.text) is None


# -- Subscriptions -----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("url", "address"),
    [
        (
            "https://a.example/webhooks/hostpms/PT-LIS-001",
            "https://a.example/webhooks/hostpms/PT-LIS-001/guest.created",
        ),
        ("https://a.example/{propertyId}/", "https://a.example/PT-LIS-001/guest.created"),
        ("https://a.example/{event}?of={propertyId}", "https://a.example/guest.created?of=PT-LIS-001"),
    ],
)
def test_an_event_is_posted_below_the_url_or_where_a_template_says(url: str, address: str) -> None:
    added = Subscriptions().add("PT-LIS-001", url, frozenset({"guest.created"}), "secret")
    assert added.address("guest.created") == address


def test_only_who_wants_an_event_of_the_property_is_told() -> None:
    subscriptions = Subscriptions()
    added = subscriptions.add("PT-LIS-001", "https://a.example", frozenset({"guest.created"}), "secret")
    assert subscriptions.wanting("PT-LIS-001", "guest.created") == [added]
    assert subscriptions.wanting("PT-LIS-001", "payment.received") == []
    assert subscriptions.wanting("ES-MAD-001", "guest.created") == []


def test_subscribing_the_same_address_again_rotates_the_secret() -> None:
    subscriptions = Subscriptions()
    events = frozenset({"guest.created"})
    first = subscriptions.add("PT-LIS-001", "https://a.example", events, "old")
    again = subscriptions.add("PT-LIS-001", "https://a.example", events, "new")
    assert again.id == first.id
    assert [told.secret for told in subscriptions.wanting("PT-LIS-001", "guest.created")] == ["new"]


# -- Knobs -------------------------------------------------------------------------------------------
def test_no_knob_is_turned_by_default_and_the_demonstration_turns_every_fault_a_little() -> None:
    assert Faults() == Faults(drop=0, rate_429=0, unknown_words=0)
    shares = [getattr(DEMONSTRATION, name) for name in ("drop", "reorder", "duplicate", "forge", "stale", "malformed")]
    assert all(0 < share < 0.1 for share in shares)


@pytest.mark.parametrize("knobs", [{"drop": 1.5}, {"slow_seconds": -1}, {"drop": 0.6, "delay": 0.6}, {"drops": 0.1}])
def test_an_impossible_or_unknown_knob_is_refused(knobs: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(knobs))):
        Faults().changed(knobs)


def test_a_knob_that_is_no_number_is_refused() -> None:
    with pytest.raises(TypeError, match="drop"):
        Faults().changed({"drop": "often"})


# -- Counters ----------------------------------------------------------------------------------------
def test_the_counters_tell_what_was_sent_from_what_was_answered() -> None:
    def sent(kind: str, status: int | None, result: str | None) -> Sent:
        return Sent("EVT-1", kind, "P", "e", "room", "R", "t", False, 1.0, 2.0, 1, status, result)

    counted = counters(
        [sent("valid", 200, "accepted"), sent("forged", 401, None), sent("valid", None, None)], dropped=2
    )
    assert counted == {
        "sent": {"valid": 2, "forged": 1},
        "dropped": 2,
        "failed": 1,
        "statuses": {"200": 1, "401": 1, "no answer": 1},
        "results": {"accepted": 1, "none": 2},
        "answers": {"valid": {"200 accepted": 1, "no answer": 1}, "forged": {"401": 1}},
    }
