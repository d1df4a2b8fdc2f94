"""The tables of docs/scale.md, each between the marks that the page has for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from scripts.cost.marked_page import rewritten, table
from scripts.simulation.demands import watching
from scripts.simulation.limits import LIMITS, Limit
from scripts.simulation.scenarios import ADVISED, AS_IT_COMES, TURNED, Outcome, burst, polled
from scripts.simulation.settings import Settings
from scripts.simulation.traffic import BURSTS

HOTELS = (1_000, 10_000, 100_000)
_UNTURNED = 10_000
"""The number of hotels at which the settings as they come are simulated as well, to show what they lead to."""


def page(text: str) -> str:
    """``text`` of the page, its tables written anew. Raises ValueError if the page has lost a mark."""
    tables: dict[str, Callable[[], str]] = {
        "limits": limits,
        "means": means,
        "regions": regions,
        "advised": advised,
        "bursts": bursts,
        "polls": polls,
    }
    return rewritten(text, tables, "docs/scale.md")


def by_room() -> list[Limit]:
    """What is full first, first."""
    return sorted(LIMITS, key=Limit.enough_for)


def limits() -> str:
    heading = ("limit", "as it is", *(f"{hotels:,} hotels" for hotels in HOTELS), "enough for hotels")
    return table(heading, (_limit(limit) for limit in by_room()))


def _limit(limit: Limit) -> tuple[str, ...]:
    needs = (_need(limit, hotels) for hotels in HOTELS)
    return (limit.what, f"{limit.value:,g} {limit.unit}", *needs, f"{_two_digits(limit.enough_for()):,}")


def _need(limit: Limit, hotels: int) -> str:
    use = limit.use(hotels)
    text = f"{limit.demand(hotels):,.3g}" if limit.demand(hotels) < 1000 else f"{limit.demand(hotels):,.0f}"
    return f"**{text}**, {use:.1f} ×" if use > 1 else f"{text}, {100 * use:.0f} %"


def _two_digits(number: int) -> int:
    return int(float(f"{number:.1e}"))


def means() -> str:
    return table(
        ("limit", "switch or quota", "when it is full"), ((it.what, it.where, it.full_means) for it in by_room())
    )


def regions() -> str:
    """Where a quota is another one in a smaller region."""
    heading = ("quota", "in eu-west-1", "enough for hotels", "in eu-south-2", "enough for hotels")
    rows = ((it.where, *_room(it), *_room(it.in_smaller_region())) for it in by_room() if it.smaller_region is not None)
    return table(heading, rows)


def _room(limit: Limit) -> tuple[str, str]:
    return f"{limit.value:,g} {limit.unit}", f"{_two_digits(limit.enough_for()):,}"


def advised() -> str:
    known = {limit.what: limit for limit in LIMITS}
    rows = (
        (switch, f"{known[what].value:,g}", f"{to:,g}", f"{100 * _advised(known[what]) / to:.0f} %")
        for switch, what, to in ADVISED
    )
    return table(("switch", "from", "to", "used then"), rows)


def _advised(limit: Limit) -> float:
    """What is needed with the advice followed: a pass of the watch then has twice the hotels' walks."""
    return watching(_UNTURNED, every_minutes=10) if limit.demand is watching else limit.demand(_UNTURNED)


def bursts() -> str:
    heading = (
        "hotels",
        "settings",
        "burst",
        "deliveries",
        "turned away",
        "given up",
        "to the row: median",
        "99 of 100",
        "the longest",
        "live queue at most",
    )
    return table(heading, _bursts())


def _bursts() -> Iterator[tuple[str, ...]]:
    for hotels, how, settings in _runs():
        for name in BURSTS:
            yield f"{hotels:,}", how, name, *_outcome(burst(name, hotels, settings))


def _outcome(found: Outcome) -> tuple[str, ...]:
    lags = (f"{lag:,.1f} s" for lag in (found.lag_median, found.lag_p99, found.lag_most))
    return f"{found.deliveries:,}", f"{found.turned_away:,}", f"{found.given_up:,}", *lags, f"{found.most_waiting:,}"


def polls() -> str:
    heading = ("hotels", "settings", "lists an hour", "workers", "ordered within", "polled within")
    rows = ((f"{hotels:,}", how, *_polled(hotels, settings)) for hotels, how, settings in _runs())
    return table(heading, rows)


def _polled(hotels: int, settings: Settings) -> tuple[str, ...]:
    dispatched, ended = polled(hotels, settings)
    return f"{4 * hotels:,}", str(settings.polling_concurrency), f"{dispatched / 60:.1f} min", f"{ended / 60:.1f} min"


def _runs() -> Iterator[tuple[int, str, Settings]]:
    for hotels, settings in TURNED.items():
        if hotels == _UNTURNED:
            yield hotels, "as they come", AS_IT_COMES
        yield hotels, "as they come" if settings is AS_IT_COMES else "as advised", settings
