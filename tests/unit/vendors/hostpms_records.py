"""Hypothesis strategies of HostPMS's records: any, of the right outer shape, with anything in their fields."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

TEXTS = st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
WORDS = TEXTS | st.sampled_from(["confirmado", "Quarto Duplo", "mbway", "limpo", "ouro", "recebido", "booking_com"])
AMOUNTS = (
    st.none()
    | st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-(10**15), max_value=10**15).map(str)
    | st.floats()
    | TEXTS
)
DAYS = st.dates().map(str) | TEXTS
INSTANTS = st.none() | st.datetimes(timezones=st.timezones() | st.none()).map(str) | TEXTS
COUNTS = st.none() | st.integers() | TEXTS
EMAILS = st.none() | st.emails() | TEXTS
PHONES = TEXTS | st.from_regex(r"\+?[0-9 ]{3,15}", fullmatch=True)
COUNTRIES = TEXTS | st.sampled_from(["PT", "es", "Portugal", "ZZ"])
IDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
CURRENCIES = st.sampled_from([None, "EUR", "eur", "JPY", "KWD", "XXX", "€", " "]) | TEXTS


def sent(fields: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """``fields``, each of which may be missing."""
    return st.fixed_dictionaries({}, optional=fields)


RECORDS = {
    "booking": st.fixed_dictionaries(
        {
            "reservation_id": IDS,
            "dates": sent({"check_in": DAYS, "check_out": DAYS, "created_at": INSTANTS, "updated_at": INSTANTS}),
            "status": WORDS,
        },
        optional={
            "guest": st.none()
            | sent(
                {"guest_id": IDS, "name": TEXTS, "email": EMAILS, "phone": PHONES, "country": COUNTRIES, "nif": TEXTS}
            ),
            "room": st.none() | sent({"type": WORDS, "number": TEXTS | st.integers()}),
            "pricing": st.none()
            | sent(
                {
                    "total": AMOUNTS,
                    "currency": CURRENCIES,
                    "iva": AMOUNTS,
                    "taxa_turistica": AMOUNTS,
                    "deposit": AMOUNTS,
                    "rate_plan": TEXTS,
                }
            ),
            "channel": WORDS,
            "payment_method": WORDS,
            "adults": COUNTS,
            "children": COUNTS,
            "special_requests": TEXTS,
        },
    ),
    "guest": st.fixed_dictionaries(
        {"guest_id": IDS},
        optional={
            "primeiro_nome": TEXTS,
            "apelido": TEXTS,
            "email": EMAILS,
            "telefone": PHONES,
            "pais": COUNTRIES,
            "nif": TEXTS,
            "data_nascimento": DAYS,
            "fidelidade": WORDS,
            "quarto_preferido": WORDS,
            "consentimento_marketing": st.none() | st.booleans(),
            "updated_at": INSTANTS,
        },
    ),
    "room": st.fixed_dictionaries(
        {"room_id": IDS},
        optional={
            "numero": TEXTS,
            "piso": COUNTS,
            "tipo": WORDS,
            "estado": WORDS,
            "ocupacao_maxima": COUNTS,
            "cama": TEXTS,
            "comodidades": st.none() | st.lists(TEXTS, max_size=3),
            "tarifa_base": AMOUNTS,
            "moeda": CURRENCIES,
            "updated_at": INSTANTS,
        },
    ),
    "payment": st.fixed_dictionaries(
        {"payment_id": IDS, "valor": AMOUNTS, "moeda": CURRENCIES},
        optional={
            "reservation_id": IDS,
            "metodo": WORDS,
            "estado": WORDS,
            "recebido_em": INSTANTS,
            "updated_at": INSTANTS,
        },
    ),
}
