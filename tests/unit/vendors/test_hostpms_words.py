"""HostPMS's words, as ../shared/vendors/hostpms.md lists them: written out here once more, so that a slip shows."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.model.vocabulary import BookingStatus, Channel, LoyaltyTier, PaymentMethod, PaymentStatus, RoomStatus
from shared.vendors.hostpms import words

TABLES = {
    "status": {
        "confirmado": "confirmed", "confirmada": "confirmed",
        "pendente": "pending", "pendiente": "pending",
        "cancelado": "cancelled", "cancelada": "cancelled", "anulado": "cancelled",
        "check_in": "checked_in", "hospedado": "checked_in", "alojado": "checked_in",
        "check_out": "checked_out", "saiu": "checked_out", "finalizado": "checked_out",
        "no_show": "no_show", "nao_compareceu": "no_show", "no_presentado": "no_show",
    },
    "channel": {
        "direto": "direct", "directo": "direct", "site": "direct",
        "booking_com": "ota", "expedia": "ota", "airbnb": "ota", "hotelbeds": "ota",
        "agencia": "agent", "agência": "agent",
        "balcao": "walk_in", "balcão": "walk_in", "walk_in": "walk_in",
    },
    "room_type": {
        "Quarto Duplo": "Double Room", "Habitación Doble": "Double Room",
        "Quarto Twin": "Twin Room", "Habitación Twin": "Twin Room",
        "Suite": "Suite", "Suíte": "Suite",
        "Quarto Individual": "Single Room", "Habitación Individual": "Single Room",
        "Quarto Triplo": "Triple Room", "Quarto Familiar": "Family Room", "Apartamento": "Apartment",
    },
    "payment_method": {
        "credit_card": "credit_card", "cartao_credito": "credit_card",
        "dinheiro": "cash", "numerario": "cash", "efectivo": "cash",
        "fatura": "invoice", "factura": "invoice",
        "pontos": "points",
        "mbway": "mobile", "multibanco": "debit", "transferencia": "bank_transfer",
    },
    "room_status": {
        "limpo": "clean", "limpio": "clean", "sujo": "dirty", "sucio": "dirty",
        "manutencao": "maintenance", "manutenção": "maintenance", "ocupado": "occupied", "bloqueado": "blocked",
    },
    "loyalty_tier": {"nenhum": "none", "prata": "silver", "ouro": "gold", "platina": "platinum"},
    "payment_status": {
        "recebido": "received", "pendente": "pending", "reembolsado": "refunded", "falhado": "failed",
    },
}  # fmt: skip
ENUMS = {
    "status": BookingStatus,
    "channel": Channel,
    "payment_method": PaymentMethod,
    "room_status": RoomStatus,
    "loyalty_tier": LoyaltyTier,
    "payment_status": PaymentStatus,
}
LISTED = [(table, word, unified) for table, listed in TABLES.items() for word, unified in listed.items()]


def without_accents(word: str) -> str:
    return unicodedata.normalize("NFD", word).encode("ascii", "ignore").decode()


SPELLINGS = {
    "as listed": str,
    "in capitals": str.upper,
    "as a title": str.title,
    "without accents": without_accents,
    "with letter and accent apart": lambda word: unicodedata.normalize("NFD", word),
    "in blanks": lambda word: f"  {word}\n",
}


@pytest.mark.parametrize("spelled", SPELLINGS.values(), ids=SPELLINGS.keys())
@pytest.mark.parametrize(("table", "word", "unified"), LISTED, ids=lambda part: str(part))
def test_a_listed_word_is_known_however_it_is_spelled(table, word, unified, spelled) -> None:
    assert getattr(words, table)(spelled(word)) == unified


@pytest.mark.parametrize("table", ENUMS)
def test_every_unified_word_but_unknown_has_a_word(table) -> None:
    assert set(TABLES[table].values()) == set(ENUMS[table]) - {"unknown"}


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("word", ["", " ", "unknown", "desconhecido", "confirmado!", "no show", "x" * 10_000])
def test_a_word_that_is_not_listed_is_not_guessed(table, word) -> None:
    assert getattr(words, table)(word) is None


@given(st.sampled_from(list(TABLES)), st.text(max_size=20))
def test_any_text_is_a_listed_word_or_none(table, text) -> None:
    assert getattr(words, table)(text) in {None, *TABLES[table].values()}
