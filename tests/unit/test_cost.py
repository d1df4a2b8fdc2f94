"""The model of the cost: what is priced, what is refused, and that sums follow from their parts."""

from __future__ import annotations

import ast
from collections import Counter, deque
from datetime import date
from typing import Any

import msgspec
import pytest

from scripts.cost import figures, prices
from scripts.cost.charges import Unpriced
from scripts.cost.estimate import Estimate, estimate
from scripts.cost.metrics import METRICS, counted
from scripts.cost.schedules import times_an_hour
from scripts.cost.standing import FREE, PRICED
from scripts.cost.switches import SWITCHES
from scripts.cost.traffic import Traffic
from scripts.cost.workload import WORK
from scripts.local.environment import ROOT
from scripts.simulation.traffic import PEAK
from scripts.simulators.hostpms import World
from scripts.simulators.hostpms.agenda import Event
from scripts.simulators.hostpms.ledger import ENTITIES
from scripts.simulators.hostpms.records import encode
from shared.pipeline import envelope
from shared.vendors.hostpms.api import PER_PAGE
from tests.cost_stages import DATABASE, HUNDRED, function, owed, stage
from tests.fakes.polling import Hotel, ModelList, VirtualClock

NAT_INSTANCE = {
    "InstanceType": "t4g.micro",
    "BlockDeviceMappings": [{"Ebs": {"VolumeType": "gp3", "VolumeSize": 8}}],
    "Monitoring": True,
}


@pytest.mark.parametrize(
    ("kind", "properties", "usd"),
    [
        ("EC2::NatGateway", {}, 35.04),
        ("EC2::EIP", {}, 3.65),
        ("EC2::Instance", NAT_INSTANCE, 6.716 + 0.704 + 2.10),
        ("EC2::Instance", {**NAT_INSTANCE, "Monitoring": False}, 6.716 + 0.704),
        ("EC2::VPCEndpoint", {"VpcEndpointType": "Gateway"}, 0),
        ("EC2::VPCEndpoint", {"VpcEndpointType": "Interface", "SubnetIds": ["a", "b", "c"]}, 24.09),
        ("RDS::DBInstance", DATABASE, 56.18),
        ("RDS::DBInstance", {**DATABASE, "MultiAZ": False}, 28.09),
        ("RDS::DBInstance", {**DATABASE, "MonitoringInterval": 60}, 56.33),
        ("RDS::DBInstance", {**DATABASE, "ManageMasterUserPassword": True}, 56.58),
        ("RDS::DBProxy", {}, 26.28),
        ("WAFv2::WebACL", {"Rules": [{}, {}, {}, {}, {}]}, 10),
        ("KMS::Key", {"EnableKeyRotation": True}, 1),
        ("SecretsManager::Secret", {}, 0.40),
        ("CloudWatch::Alarm", {}, 0.10),
        ("CloudWatch::Alarm", {"Metrics": [{"MetricStat": {}}, {"MetricStat": {}}, {"Expression": "a/b"}]}, 0.20),
        ("CloudWatch::Alarm", {"Metrics": [{"Expression": "ANOMALY_DETECTION_BAND(m)"}]}, 0.30),
        ("CloudWatch::CompositeAlarm", {}, 0.50),
        ("CloudWatch::Dashboard", {}, 3),
        ("EC2::VPC", {}, 0),
        ("CodeDeploy::DeploymentGroup", {}, 0),
        ("Budgets::Budget", {}, 0),
    ],
)
def test_what_is_owed_for_being_there(kind: str, properties: dict[str, Any], usd: float) -> None:
    assert owed(kind, **properties) == pytest.approx(usd, abs=0.005)


@pytest.mark.parametrize(("months", "usd"), [(1, 1), (12, 2), (24, 3), (120, 3)])
def test_a_key_grows_dearer_with_its_first_two_rotations(months: int, usd: float) -> None:
    assert owed("KMS::Key", months, EnableKeyRotation=True) == usd
    assert owed("KMS::Key", months) == 1


@pytest.mark.parametrize(
    ("kind", "properties", "said"),
    [
        ("MSK::Cluster", {}, "no price for AWS::MSK::Cluster"),
        ("RDS::DBInstance", {**DATABASE, "DBInstanceClass": "db.x9.huge"}, "class db.x9.huge"),
        ("RDS::DBInstance", {**DATABASE, "StorageType": "io2"}, "storage of type io2"),
        ("RDS::DBInstance", {**DATABASE, "PerformanceInsightsRetentionPeriod": 731}, "Performance Insights"),
        ("EC2::Instance", {**NAT_INSTANCE, "InstanceType": "x9g.huge"}, "an instance of class x9g.huge"),
        (
            "EC2::Instance",
            {**NAT_INSTANCE, "BlockDeviceMappings": [{"Ebs": {"VolumeType": "io2", "VolumeSize": 8}}]},
            "a volume of type io2",
        ),
        ("DynamoDB::Table", {"BillingMode": "PROVISIONED"}, "provisioned capacity"),
        ("Lambda::Alias", {"ProvisionedConcurrencyConfig": {}}, "provisioned concurrency"),
        ("WAFv2::LoggingConfiguration", {"LoggingFilter": {"DefaultBehavior": "KEEP"}}, "log of all requests"),
        (*function("espresso"), "no work is known of the function espresso"),
    ],
)
def test_what_the_model_does_not_know_is_an_error(kind: str, properties: dict[str, Any], said: str) -> None:
    with pytest.raises(Unpriced, match=said):
        estimate(stage(it=(kind, properties)), HUNDRED)


def test_no_type_is_both_priced_and_free_and_each_free_one_has_a_reason() -> None:
    assert not PRICED.keys() & FREE.keys()
    assert all(FREE.values())


@pytest.mark.parametrize(
    ("expression", "times"),
    [
        ("cron(0 * * * ? *)", 1),
        ("cron(15 * * * ? *)", 1),
        ("cron(0/15 * * * ? *)", 4),
        ("cron(*/10 * * * ? *)", 6),
        ("cron(5,35 6-21 * * ? *)", 2 * 16 / 24),
        ("cron(0 0/2 * * ? *)", 0.5),
        ("cron(0 4 * * ? *)", 1 / 24),
        ("rate(5 minutes)", 12),
        ("rate(1 hour)", 1),
        ("rate(1 day)", 1 / 24),
    ],
)
def test_how_often_a_schedule_comes(expression: str, times: float) -> None:
    assert times_an_hour(expression) == pytest.approx(times)


def test_a_schedule_of_some_days_is_an_error() -> None:
    with pytest.raises(Unpriced, match="MON"):
        times_an_hour("cron(0 4 ? * MON *)")


def test_the_sums_are_those_of_the_lines() -> None:
    found = estimate(stage(nat=("EC2::NatGateway", {}), api=("ApiGateway::RestApi", {}), f=function("apply")), HUNDRED)

    assert found.usd == pytest.approx(sum(found.by_service().values()))
    assert found.per_hotel * 100 == pytest.approx(found.usd)
    assert found.per_thousand_events * HUNDRED.objects / 1000 == pytest.approx(found.usd)
    assert 35.04 <= found.standing_usd < found.usd


def test_twice_the_hotels_is_twice_the_work_and_nothing_more_is_owed() -> None:
    resources = stage(nat=("EC2::NatGateway", {}), api=("ApiGateway::RestApi", {}), f=function("webhook"))

    def less(found: Estimate) -> float:
        return found.usd - found.standing_usd

    one, two = (estimate(resources, Traffic(hotels, 12)) for hotels in (100, 200))

    assert two.standing_usd == one.standing_usd
    assert less(two) == pytest.approx(2 * less(one), rel=0.01)


def test_a_switch_saves_what_it_takes_away_and_nothing_where_there_is_nothing() -> None:
    proxy = next(switch for switch in SWITCHES if "proxy" in switch.where)
    having, bare = stage(it=("RDS::DBProxy", {})), stage()

    assert proxy.saved(estimate(having, HUNDRED), having) == pytest.approx(26.28)
    assert proxy.saved(estimate(bare, HUNDRED), bare) == 0


def test_every_figure_says_where_it_comes_from_and_every_price_its_page() -> None:
    assert all(figure.source and figure.unit for _, figure in figures.all_figures())
    assert all(price.page.endswith("/") and price.usd > 0 for _, price in prices.all_prices())
    assert date.today() > prices.AS_OF


def test_no_price_and_no_figure_is_kept_for_nothing() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "scripts").rglob("*.py"))
    names = [name for module in (figures, prices) for name in vars(module) if name.isupper() and name[0] != "_"]

    assert [
        name for name in names if f"f.{name}" not in text and f"p.{name}" not in text and f"prices.{name}" not in text
    ] == []


# -- held to the code ----------------------------------------------------------------------------------


def as_delivered(event: Event) -> bytes:
    sent = envelope.Envelope(
        vendor="hostpms",
        property_id=event.property_id,
        channel="poll",
        entity=event.entity,
        received_at=event.at,
        payload=msgspec.Raw(encode(event.record)),
    )
    return envelope.encode_page([sent])


def test_a_simulated_hotel_sends_as_many_deliveries_for_a_booking_and_as_many_in_its_busiest_hour() -> None:
    world = World(7, ["PT-LIS-001"], date(2024, 3, 1), rooms=40, history_days=60)

    events = list(world.live(60))
    names, hours = (Counter(seen) for seen in zip(*((it.name, it.at.hour) for it in events), strict=True))

    sizes = [len(as_delivered(event)) for event in events]
    assert sum(sizes) / len(sizes) == pytest.approx(figures.DELIVERY_BYTES.value, rel=0.05)
    bookings = names["reservation.created"]
    assert names.total() / bookings == pytest.approx(figures.DELIVERIES_PER_BOOKING.value, abs=0.05)
    assert bookings / 60 == pytest.approx(12, abs=1)
    assert max(hours.values()) / hours.total() * 24 == pytest.approx(PEAK, abs=0.05)


@pytest.mark.parametrize(("every", "pages"), [(1, figures.PAGES_PER_POLL), (2, figures.PAGES_PER_RARE_POLL)])
def test_a_simulated_hotels_polls_land_as_many_pages_as_are_reckoned_with(every: int, pages: figures.Figure) -> None:
    world = World(7, ["PT-LIS-001"], date(2024, 3, 1), rooms=40, history_days=60)
    events = list(world.live(60))

    polls = 60 * 24 // every
    landed = [pages_landed([it for it in events if it.entity == entity], polls, every) for entity in ENTITIES]

    assert len(landed) == figures.ENTITIES_POLLED.value
    assert sum(landed) / len(landed) / polls == pytest.approx(pages.value, abs=0.005)


def pages_landed(events: list[Event], polls: int, every: int) -> int:
    """Of one list, which is polled ``every`` so many hours."""
    hotel = Hotel(ModelList(VirtualClock(events[0].at.replace(minute=0, second=0, microsecond=0)), per_page=PER_PAGE))
    numbers: dict[str, int] = {}
    waiting = deque(events)
    for _ in range(polls):
        hotel.clock.sleep(3600 * every)
        while waiting and waiting[0].at < hotel.clock():
            event = waiting.popleft()
            if event.record_id in numbers:
                hotel.listed.change(numbers[event.record_id], at=event.updated_at)
            else:
                numbers[event.record_id] = hotel.listed.add(event.updated_at).id
        assert hotel.poll().outcome == "succeeded"
    return len(hotel.raw.objects)


@pytest.mark.parametrize("folder", sorted(path.parent.name for path in (ROOT / "lambdas").glob("*/handler.py")))
def test_every_metric_that_a_function_counts_is_reckoned_with(folder: str) -> None:
    told = {name for path in (ROOT / "lambdas" / folder).glob("*.py") for name in metric_names(path.read_text("utf-8"))}

    known = set(METRICS.get(folder, ()))
    # The webhook puts one word together from what it answers.
    assert told - {"Delivery"} <= known
    assert known - told <= ({"DeliveryAccepted", "DeliveryDuplicate"} if folder == "webhook" else set())
    assert counted(folder, HUNDRED) >= len(known)


def metric_names(source: str) -> set[str]:
    """The first text of each call that counts."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        called = node.func if isinstance(node, ast.Call) else None
        name = getattr(called, "attr", getattr(called, "id", None))
        if name in ("add_metric", "_count", "single_metric") and isinstance(node, ast.Call) and node.args:
            first = node.args[0]
            part = first.values[0] if isinstance(first, ast.JoinedStr) else first
            if isinstance(part, ast.Constant) and isinstance(part.value, str):
                found.add(part.value)
    return found


def test_every_function_has_its_work() -> None:
    assert {path.parent.name for path in (ROOT / "lambdas").glob("*/handler.py")} <= WORK.keys()
