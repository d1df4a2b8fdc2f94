"""The tables of docs/cost.md, each between the marks that the page has for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from scripts.cost import figures, prices
from scripts.cost.estimate import Estimate, estimate, traffic_of
from scripts.cost.marked_page import rewritten, table
from scripts.cost.switches import LARGE_GROUP, SWITCHES
from scripts.cost.templates import Resources

BOOKINGS_PER_DAY = 12
"""Of a hotel of 40 rooms, as the simulated one is: the tables are for such."""
HOTELS = (10, 100, 1_000, 10_000)
TARGETS = {100: 1.50, 1_000: 0.50}
"""USD a hotel and month that it may come to."""
AGES = (1, 12, 24, 60)
"""Months: what is stored grows, and the first two rotations of each key are paid for from then on."""
COMPARED = tuple(TARGETS)
_DEAREST = 15


def page(text: str, resources: Resources) -> str:
    """``text`` of the page, its tables written anew for the stage of ``resources``.

    Raises ValueError if the page has lost a mark, and Unpriced for what the model does not know.
    """
    estimates = [estimate(resources, traffic_of(resources, hotels, BOOKINGS_PER_DAY)) for hotels in HOTELS]
    compared = [found for found in estimates if found.traffic.hotels in COMPARED]
    tables: dict[str, Callable[[], str]] = {
        "sums": lambda: sums(estimates),
        "target": lambda: target(compared, resources),
        "large group": lambda: sums(
            estimate(*LARGE_GROUP.change(resources, found.traffic)) for found in estimates[HOTELS.index(1_000) :]
        ),
        "services": lambda: services(estimates),
        "dearest": lambda: dearest(compared),
        "switches": lambda: switches(compared, resources),
        "traffic": lambda: table(("figure", "value", "what it is", "basis", "from"), _figures()),
        "prices": lambda: table(("USD", "for a", "page"), _prices()),
    }
    return rewritten(text, tables, "docs/cost.md")


def sums(estimates: Iterable[Estimate]) -> str:
    rows = (
        (
            f"{it.traffic.hotels:,}",
            f"{it.usd:,.2f}",
            f"{it.standing_usd:,.2f}",
            f"**{it.per_hotel:.2f}**",
            f"{it.per_thousand_events:.3f}",
        )
        for it in estimates
    )
    return table(("hotels", "USD a month", "of it owed anyway", "USD a hotel", "USD for 1,000 events"), rows)


def target(estimates: Iterable[Estimate], resources: Resources) -> str:
    """Whether it is met, in words: a page's table could be written anew, and what it says of it could not."""
    rows = []
    for found in estimates:
        hotels, most = found.traffic.hotels, TARGETS[found.traffic.hotels]
        costs = (estimate(resources, replace(found.traffic, months=months)).per_hotel for months in AGES)
        rows.append((f"{hotels:,}", f"{most:.2f}", *(_met(cost, most) for cost in costs)))
    ages = (f"after {months} month{'s' * (months > 1)}" for months in AGES)
    return table(("hotels", "USD a hotel, at the most", *ages), rows)


def _met(cost: float, most: float) -> str:
    return f"{cost:.2f}, **{'met' if cost < most else 'missed'}**"


def services(estimates: Sequence[Estimate]) -> str:
    columns = [it.by_service() for it in estimates]
    names = sorted(columns[-1] | columns[0], key=lambda name: -columns[1].get(name, 0))
    rows = [(name, *(f"{column.get(name, 0):,.2f}" for column in columns)) for name in names]
    return table(("USD a month", *(f"{it.traffic.hotels:,} hotels" for it in estimates)), rows)


def dearest(estimates: Iterable[Estimate]) -> str:
    return "".join(_dearest(found) for found in estimates).replace("\n\n\n", "\n\n")


def _dearest(found: Estimate) -> str:
    lines = sorted(found.charges, key=lambda charge: -charge.usd)[:_DEAREST]
    heading = f"{found.traffic.hotels:,} hotels"
    rows = (
        (
            it.service,
            it.what,
            f"{it.quantity:,.0f}",
            it.price.unit,
            f"{it.usd:,.2f}",
            f"{100 * it.usd / found.usd:.0f} %",
        )
        for it in lines
    )
    return table((heading, "what", "quantity", "of", "USD a month", "share"), rows)


def switches(estimates: Sequence[Estimate], resources: Resources) -> str:
    rows = [
        (it.where, *(f"{it.saved(before, resources):,.2f}" for before in estimates), it.gives_up) for it in SWITCHES
    ]
    saved = (f"saves at {it.traffic.hotels:,} hotels" for it in estimates)
    return table(("switch", *saved, "gives up"), rows)


def _figures() -> Iterator[tuple[str, ...]]:
    for name, figure in figures.all_figures():
        yield f"`{name}`", f"{figure.value:g}", figure.unit, figure.basis, figure.source


def _prices() -> Iterator[tuple[str, ...]]:
    for name, price in prices.all_prices():
        yield (
            f"{price.usd:.10f}".rstrip("0").rstrip("."),
            f"{price.unit}{name}",
            f"[{price.page}](https://aws.amazon.com/{price.page})",
        )
