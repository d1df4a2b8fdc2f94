"""``pousada cost``: what a stage costs in a month."""

from __future__ import annotations

from math import isfinite
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from scripts.cli import output
from scripts.cli.stage import LOCAL, Options
from scripts.cost import prices
from scripts.cost.charges import Charge, Unpriced
from scripts.cost.estimate import Estimate, estimate, traffic_of
from scripts.cost.templates import Resources, of_assembly, synthesised
from shared.errors import Misconfigured

USUAL_STAGE = "prod-eu-west-1"
MOST_BOOKINGS = 10_000


class Line(msgspec.Struct):
    service: str
    what: str
    quantity: float
    """In a month."""
    unit: str
    usd: float
    standing: bool


class Report(msgspec.Struct):
    """USD a month."""

    stage: str
    hotels: int
    bookings_per_day: float
    usd: float
    standing_usd: float
    """Of that, what is owed however little there is to do."""
    per_hotel: float
    per_thousand_events: float
    services: dict[str, float]
    lines: list[Line]
    prices_of: str
    prices_as_of: str


def cost(
    context: typer.Context,
    bookings_per_day: Annotated[
        float, typer.Option(min=0, max=MOST_BOOKINGS, help="Of each hotel; one of 40 rooms has about twelve.")
    ],
    hotels: Annotated[int | None, typer.Option(min=1, help="How many are onboarded.")] = None,
    stage: Annotated[str | None, typer.Option(help="A stage of cdk.json.", show_default=USUAL_STAGE)] = None,
    months: Annotated[int, typer.Option(min=1, help="How long it has been at work: what is stored grows.")] = 12,
    compare_hotels: Annotated[
        str, typer.Option(metavar="N,N,…", help="As many hotels instead, side by side, and nothing but the sums.")
    ] = "",
    assembly: Annotated[
        Path | None, typer.Option("--from", metavar="CDK.OUT", help="Read what is synthesised there already.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, one object a line.")] = False,
) -> None:
    """What a stage costs in a month: by service, per hotel, and per 1,000 events.

    Reckoned from the synthesised templates, a table of list prices with its date (scripts/cost/prices.py), and a model
    of the traffic whose figures all say where they come from: docs/cost.md. An event is a raw object: a delivery, or a
    page polled. Needs no credentials.

    **Example**: `scripts/pousada cost --bookings-per-day 12 --compare-hotels 100,1000,10000`
    """
    options: Options = context.obj
    counts = _counts(compare_hotels) or ([hotels] if hotels else [])
    if not counts:
        raise typer.BadParameter("how many? Or several: --compare-hotels 100,1000", param_hint="--hotels")
    if stage == LOCAL:
        raise typer.BadParameter("it is on this machine, and costs nothing", param_hint="--stage")
    if not isfinite(bookings_per_day):
        raise typer.BadParameter("a number", param_hint="--bookings-per-day")
    name = stage or (USUAL_STAGE if options.stage == LOCAL else options.stage)
    resources = of_assembly(assembly, name) if assembly else synthesised(name)
    reports = [_report(name, _estimated(resources, count, bookings_per_day, months)) for count in counts]
    if as_json:
        for report in reports:
            output.line(report)
    elif compare_hotels:
        _compare(reports)
    else:
        _show(reports[0])
    _say_what_the_prices_are(name)


def _counts(listed: str) -> list[int]:
    try:
        counts = [int(count) for count in listed.split(",") if count]
    except ValueError:
        counts = [0]
    if any(count < 1 for count in counts):
        raise typer.BadParameter("numbers of hotels, comma between: 100,1000", param_hint="--compare-hotels")
    return counts


def _estimated(resources: Resources, hotels: int, bookings_per_day: float, months: int) -> Estimate:
    try:
        return estimate(resources, traffic_of(resources, hotels, bookings_per_day, months))
    except Unpriced as error:
        raise Misconfigured(str(error), fix="the model has to know whatever a stage has") from None


def _report(stage: str, found: Estimate) -> Report:
    traffic = found.traffic
    lines = sorted(found.charges, key=lambda charge: -charge.usd)
    return Report(
        stage, traffic.hotels, traffic.bookings_per_day, found.usd, found.standing_usd, found.per_hotel,
        found.per_thousand_events, found.by_service(), [_line(charge) for charge in lines],
        prices.REGION, prices.AS_OF.isoformat(),
    )  # fmt: skip


def _line(charge: Charge) -> Line:
    return Line(charge.service, charge.what, charge.quantity, charge.price.unit, charge.usd, charge.standing)


def _show(report: Report) -> None:
    rows = [
        (service, f"{usd:.2f}", f"{usd / report.hotels:.4f}", f"{100 * usd / report.usd:.1f} %")
        for service, usd in report.services.items()
    ]
    rows.append(("all", f"{report.usd:.2f}", f"{report.per_hotel:.4f}", "100 %"))
    title = f"{report.stage}: {report.hotels} hotels, {report.bookings_per_day:g} bookings a day each"
    output.table(title, ("service", "USD a month", "a hotel", "share"), rows)
    columns = ("service", "what", "quantity", "of", "USD a month")
    dearest = ((it.service, it.what, f"{it.quantity:,.0f}", it.unit, f"{it.usd:.2f}") for it in report.lines[:20])
    output.table("the dearest lines", columns, dearest)
    output.say(f"{report.standing_usd:.2f} USD of it are owed however little there is to do")
    output.say(f"{report.per_thousand_events:.4f} USD for 1,000 events")


def _compare(reports: list[Report]) -> None:
    columns = ("hotels", "USD a month", "owed anyway", "a hotel", "1,000 events")
    rows = (
        (it.hotels, f"{it.usd:.2f}", f"{it.standing_usd:.2f}", f"{it.per_hotel:.3f}", f"{it.per_thousand_events:.4f}")
        for it in reports
    )
    output.table(f"{reports[0].stage}: {reports[0].bookings_per_day:g} bookings a day each", columns, rows)


def _say_what_the_prices_are(stage: str) -> None:
    output.say(f"list prices of {prices.REGION} as known on {prices.AS_OF}, without taxes, free tier or discounts")
    if not stage.endswith(prices.REGION):
        output.say(
            f"{stage} is elsewhere, and its region's prices are not in the table: by how much they differ is not known"
        )
