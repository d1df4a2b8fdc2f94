"""Reservations by the million: raw JSON from templates, for benchmarks. No world, no life, no truth.

Realistic in what costs a reader time: sizes, words, accents, phones in several shapes, tax ids with
right check digits, distinct ids, a guest seen before in most reservations.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from random import Random

from scripts.simulators.hostpms import tariff
from scripts.simulators.hostpms.people import PHONES, Population
from scripts.simulators.hostpms.properties import KINDS, Property, property_named
from scripts.simulators.hostpms.quirks import Quirks
from scripts.simulators.hostpms.records import encode
from scripts.simulators.hostpms.words import OTAS, REQUESTS, word

NEW_GUESTS = 0.4
"""Distinct guests per reservation."""
INVALID_EVERY = 1000
"""The last of each thousand leaves on the day it arrives, and must be refused."""

_BITS = 12
_POOL = 1 << _BITS
_FIRST_DAY = date(2023, 1, 1)
_DAYS = 3 * 365
_FIRST_ID = 1_000_000
_RECORD = b'{"reservation_id":"RSV-%%d","property_id":"%b","guest":%%b,%%b,%%b}'


def reservations(count: int, seed: int, *, property_id: str = "PT-LIS-001", updated_every: int = 0) -> Iterator[bytes]:
    """``count`` reservations of distinct ids, one JSON object each, without a line break.

    The same arguments give the same bytes. ``updated_every=2``: of every second reservation, from the
    first on, a later version with another price and status; all others as they are without it.
    """
    dice, hotel = Random(f"reservations of {seed}"), property_named(property_id)  # nosec B311 # an invented world
    # Everything that is drawn is drawn before the first record; then records only pick.
    faces = [_face(person, dice) for person in _people(hotel, dice)]
    stays = [_stay(hotel, dice) for _ in range(_POOL)]
    invalid = [_stay(hotel, dice, nights=0) for _ in range(16)]
    sales = [_sale(hotel, dice) for _ in range(_POOL)]
    record = _RECORD % property_id.encode()
    guests = _Guests(faces, dice)
    mask = _POOL - 1
    for i in range(count):
        draw = dice.getrandbits(3 * _BITS)
        stay = stays[draw & mask] if (i + 1) % INVALID_EVERY else invalid[draw & 15]
        sale = sales[draw >> _BITS & mask]
        version = 1 if updated_every and i % updated_every == 0 else 0
        millisecond = i % 1000
        guest = guests.next(draw >> 2 * _BITS)
        yield record % (_FIRST_ID + i, guest, stay[version] % (millisecond, millisecond), sale[version])


Versions = tuple[bytes, bytes]
"""A fragment of a record, and the same fragment of its later version."""


class _Guests:
    """A stranger in so many of a hundred reservations, else one of the ``_POOL`` guests seen of late."""

    def __init__(self, faces: list[bytes], dice: Random) -> None:
        self._faces = faces
        self._dice = dice
        self._known: list[bytes] = []
        self._born = 0

    def next(self, draw: int) -> bytes:
        if self._known and self._dice.random() >= NEW_GUESTS:
            return self._known[draw % len(self._known)]
        guest = self._stranger(draw)
        if len(self._known) < _POOL:
            self._known.append(guest)
        else:
            self._known[draw % _POOL] = guest
        return guest

    def _stranger(self, draw: int) -> bytes:
        self._born += 1
        number = b"%d" % self._born
        return self._faces[draw % _POOL] % (number, number, self._born % 1_000_000, _nif(self._born))


def _people(hotel: Property, dice: Random) -> Iterator[tuple[str, str, str]]:
    """``_POOL`` of (name, beginning of an e-mail address, country)."""
    population = Population(dice, hotel.country.code)
    made = 0
    while made < _POOL:
        person = population.person()
        if person.email and PHONES[person.country][2] >= 6:
            made += 1
            yield person.name, person.email.partition("@")[0], person.country


def _face(person: tuple[str, str, str], dice: Random) -> bytes:
    """A template of the ``guest`` block, for: serial, serial, a number of six digits, a NIF.

    ``%.0b`` takes its argument and prints nothing: so all templates take the same four.
    """
    name, email, country = person
    code, first, digits = PHONES[country]
    plus = dice.choices(("+", "00"), (9, 1))[0]
    no_id = dice.random() < 0.03
    guest_id = b"%.0b" if no_id else b'"guest_id":"G-%b",'
    nif = b'"%b"' if country == "PT" and dice.random() < 0.7 else b"null%.0b"
    return b'{%b"name":%b,"email":"%b.%%b@example.com","phone":"%b%%0%dd","country":"%b","nif":%b}' % (
        guest_id, encode(name), email.encode(), f"{plus}{code}{first}".encode(), digits, country.encode(), nif,
    )  # fmt: skip


def _weighed(digits: int, highest: int) -> list[int]:
    """The share that each number of ``digits`` digits has in a NIF's check sum; its first weight is ``highest``."""
    return [
        sum(int(digit) * (highest - place) for place, digit in enumerate(f"{number:0{digits}d}"))
        for number in range(10**digits)
    ]


_HIGH, _LOW = _weighed(4, 9), _weighed(4, 5)


def _nif(serial: int) -> bytes:
    """The ``serial``-th NIF of a natural person: 2, seven digits, the check digit.

    By table: python-stdnum's own way would take as long as all the rest of a record.
    """
    digits = 20_000_000 + serial % 10_000_000
    check = 11 - (_HIGH[digits // 10_000] + _LOW[digits % 10_000]) % 11
    return b"%d%d" % (digits, check if check < 10 else 0)


@dataclass(frozen=True, slots=True)
class _Dates:
    check_in: date
    check_out: date
    created: datetime
    updated: datetime

    def block(self, later: timedelta = timedelta(0)) -> bytes:
        """With a place for each instant's milliseconds."""
        return b'"dates":{"check_in":"%b","check_out":"%b","created_at":"%b.%%03dZ","updated_at":"%b.%%03dZ"}' % (
            self.check_in.isoformat().encode(),
            self.check_out.isoformat().encode(),
            _second(self.created),
            _second(self.updated + later),
        )


def _stay(hotel: Property, dice: Random, nights: int | None = None) -> Versions:
    """Room, dates and price, which go together."""
    kind, floor = dice.choice(KINDS), dice.randint(1, 6)
    dates = _dates(dice, nights)
    adults = dice.randint(1, 3)
    price = tariff.price(
        hotel, kind, dates.check_in, max(dates.check_out, dates.check_in + timedelta(days=1)), "flexible", adults
    )
    dearer = tariff.priced(hotel, price.total + 25, adults, max(1, (dates.check_out - dates.check_in).days))
    room = encode(
        {"type": word(hotel.language, "room_type", kind), "number": f"{floor}{dice.randint(1, 20):02d}", "floor": floor}
    )
    plan = dice.choice(("flexible", "prepaid", "breakfast"))
    quirks = Quirks("comma" if dice.random() < 0.01 else "number")
    return (
        b'"room":%b,%b,"pricing":%b' % (room, dates.block(), _pricing(hotel, price, plan, quirks)),
        b'"room":%b,%b,"pricing":%b' % (room, dates.block(timedelta(days=1)), _pricing(hotel, dearer, plan, quirks)),
    )


def _dates(dice: Random, nights: int | None) -> _Dates:
    check_in = _FIRST_DAY + timedelta(days=dice.randrange(_DAYS))
    lead = min(int(dice.lognormvariate(2.9, 1.0)), 300)
    created = datetime(check_in.year, check_in.month, check_in.day, 9, tzinfo=UTC) - timedelta(
        days=lead, seconds=dice.randrange(7200)
    )
    stays = dice.choice((1, 2, 2, 3, 3, 4, 5, 7)) if nights is None else nights
    updated = created + timedelta(seconds=dice.randrange(1 + lead * 86_400))
    return _Dates(check_in, check_in + timedelta(days=stays), created, updated)


def _pricing(hotel: Property, price: tariff.Price, plan: str, quirks: Quirks) -> bytes:
    return encode(
        {
            "total": quirks.amount(price.total),
            "currency": hotel.currency,
            "rate_plan": word(hotel.language, "rate_plan", plan),
            "iva": quirks.amount(price.vat),
            "taxa_turistica": quirks.amount(price.city_tax),
            "deposit": quirks.amount(price.total if plan == "prepaid" else tariff.CENT * 0),
        }
    )


def _sale(hotel: Property, dice: Random) -> Versions:
    """Status, channel and all the rest."""
    channel = dice.choice((*OTAS, *OTAS, "site", "direct", "agent", "walk_in"))
    wishes = dice.choice(REQUESTS[hotel.language]) if dice.random() < 0.3 else None
    shared = {
        "channel": word(hotel.language, "channel", channel),
        "payment_method": word(hotel.language, "method", dice.choice(("card", "card", "card", "cash", "transfer"))),
        "adults": dice.randint(1, 3),
        "children": dice.choice((0, 0, 0, 1, 2)),
        "special_requests": wishes,
    }
    before, after = dice.choice(
        (("confirmed", "cancelled"), ("confirmed", "checked_in"), ("checked_in", "checked_out"))
    )
    first, second = (
        encode({"status": word(hotel.language, "booking_status", status), **shared})[1:-1] for status in (before, after)
    )
    return first, second


def _second(instant: datetime) -> bytes:
    return f"{instant:%Y-%m-%dT%H:%M:%S}".encode()
