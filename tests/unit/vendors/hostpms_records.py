"""Hypothesis strategies of HostPMS's records: mostly sound, and anything may stand in any field."""

from __future__ import annotations

from datetime import date
from typing import Any

from hypothesis import strategies as st

_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
_ANYTHING = (
    _TEXTS
    | st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.sampled_from(["", " ", "2024-02-30", "9999-12-31T23:59:59-12:00", "1e999", "\0", "€", "450,00"])
    | st.lists(_TEXTS, max_size=2)
)


@st.composite
def _mostly(draw: st.DrawFn, sound: st.SearchStrategy[Any]) -> Any:
    return draw(_ANYTHING if draw(st.integers(1, 30)) == 30 else sound)


def _record(required: dict[str, st.SearchStrategy[Any]], **optional: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Of these fields; the optional ones may be missing."""
    return st.fixed_dictionaries(
        {name: _mostly(values) for name, values in required.items()},
        optional={name: _mostly(values) for name, values in optional.items()},
    )


_AMOUNTS = st.decimals(0, 10**13 - 1, places=2).map(str) | st.integers(0, 10**6) | st.just("1.450,50")
_TAXES = st.sampled_from([0, "0,00", 0.01]) | st.none()
_CURRENCIES = st.sampled_from(["EUR", "eur", "JPY", "KWD", "CLF"])
_DAYS = st.dates(date(1000, 1, 1)).map(str)
_INSTANTS = st.datetimes(timezones=st.timezones()).map(str) | st.just("2024-03-01T10:30:00Z")
_COUNTS = st.integers(-(2**31), 2**31 - 1) | st.integers(0, 9).map(str)
_EMAILS = st.emails() | _TEXTS
_PHONES = st.from_regex(r"\+?[0-9 ]{3,15}", fullmatch=True) | st.just("+351912345678")
_COUNTRIES = st.sampled_from(["PT", "es", "Portugal", "ZZ"]) | _TEXTS
_IDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)
_WORDS = st.sampled_from(["confirmado", "Quarto Duplo", "mbway", "limpo", "ouro", "recebido", "booking_com"]) | _TEXTS

_DATES = _record(
    {
        "check_in": st.dates(date(1900, 1, 1), date(2029, 12, 31)).map(str),
        "check_out": st.dates(date(2030, 1, 1), date(9999, 12, 31)).map(str),
    },
    created_at=_INSTANTS,
    updated_at=_INSTANTS,
)
_GUEST = _record({}, guest_id=_IDS, name=_TEXTS, email=_EMAILS, phone=_PHONES, country=_COUNTRIES, nif=_TEXTS)
_PRICING = _record(
    {}, total=_AMOUNTS, currency=_CURRENCIES, iva=_TAXES, taxa_turistica=_AMOUNTS, deposit=_AMOUNTS, rate_plan=_TEXTS
)

RECORDS: dict[str, st.SearchStrategy[Any]] = {
    "booking": _record(
        {"reservation_id": _IDS, "dates": _DATES, "status": _WORDS},
        guest=_GUEST,
        room=_record({}, type=_WORDS, number=_TEXTS | st.integers(0, 999)),
        pricing=_PRICING,
        channel=_WORDS,
        payment_method=_WORDS,
        adults=_COUNTS,
        children=_COUNTS,
        special_requests=_TEXTS,
    ),
    "guest": _record(
        {"guest_id": _IDS},
        primeiro_nome=_TEXTS,
        apelido=_TEXTS,
        email=_EMAILS,
        telefone=_PHONES,
        pais=_COUNTRIES,
        nif=_TEXTS,
        data_nascimento=_DAYS,
        fidelidade=_WORDS,
        quarto_preferido=_WORDS,
        consentimento_marketing=st.booleans(),
        updated_at=_INSTANTS,
    ),
    "room": _record(
        {"room_id": _IDS},
        numero=_TEXTS,
        piso=_COUNTS,
        tipo=_WORDS,
        estado=_WORDS,
        ocupacao_maxima=_COUNTS,
        cama=_TEXTS,
        comodidades=st.lists(_TEXTS, max_size=3),
        tarifa_base=_AMOUNTS,
        moeda=_CURRENCIES,
        updated_at=_INSTANTS,
    ),
    "payment": _record(
        {"payment_id": _IDS, "valor": _AMOUNTS, "moeda": _CURRENCIES},
        reservation_id=_IDS,
        metodo=_WORDS,
        estado=_WORDS,
        recebido_em=_INSTANTS,
        updated_at=_INSTANTS,
    ),
}
"""Entity → records as HostPMS might send them, before they are JSON."""
