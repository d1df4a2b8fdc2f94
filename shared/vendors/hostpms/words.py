"""HostPMS's words and the unified ones (../shared/vendors/hostpms.md, "Words").

Given by the product's requirements: the first word of each line. Assumed: the Spanish and the further
Portuguese ones. Look-ups ignore case and accents.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from functools import lru_cache

from shared.model.vocabulary import BookingStatus, Channel, LoyaltyTier, PaymentMethod, PaymentStatus, RoomStatus


def _table(words: Mapping[str, str]) -> dict[str, str]:
    """``{unified: "word, word, …"}`` turned round, each word folded."""
    return {fold(word): str(unified) for unified, listed in words.items() for word in listed.split(", ")}


def fold(word: str) -> str:
    """Without case, accents and surrounding blanks."""
    decomposed = unicodedata.normalize("NFKD", word.strip().casefold())
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))


STATUS = _table(
    {
        BookingStatus.CONFIRMED: "confirmado, confirmada",
        BookingStatus.PENDING: "pendente, pendiente",
        BookingStatus.CANCELLED: "cancelado, cancelada, anulado",
        BookingStatus.CHECKED_IN: "check_in, hospedado, alojado",
        BookingStatus.CHECKED_OUT: "check_out, saiu, finalizado",
        BookingStatus.NO_SHOW: "no_show, nao_compareceu, no_presentado",
    }
)
CHANNEL = _table(
    {
        Channel.DIRECT: "direto, directo, site",
        Channel.OTA: "booking_com, expedia, airbnb, hotelbeds",
        Channel.AGENT: "agencia, agência",
        Channel.WALK_IN: "balcao, balcão, walk_in",
    }
)
ROOM_TYPE = _table(
    {
        "Double Room": "Quarto Duplo, Habitación Doble",
        "Twin Room": "Quarto Twin, Habitación Twin",
        "Suite": "Suite, Suíte",
        "Single Room": "Quarto Individual, Habitación Individual",
        "Triple Room": "Quarto Triplo",
        "Family Room": "Quarto Familiar",
        "Apartment": "Apartamento",
    }
)
PAYMENT_METHOD = _table(
    {
        PaymentMethod.CREDIT_CARD: "credit_card, cartao_credito",
        PaymentMethod.CASH: "dinheiro, numerario, efectivo",
        PaymentMethod.INVOICE: "fatura, factura",
        PaymentMethod.POINTS: "pontos",
        PaymentMethod.MOBILE: "mbway",
        PaymentMethod.DEBIT: "multibanco",
        PaymentMethod.BANK_TRANSFER: "transferencia",
    }
)
ROOM_STATUS = _table(
    {
        RoomStatus.CLEAN: "limpo, limpio",
        RoomStatus.DIRTY: "sujo, sucio",
        RoomStatus.MAINTENANCE: "manutencao, manutenção",
        RoomStatus.OCCUPIED: "ocupado",
        RoomStatus.BLOCKED: "bloqueado",
    }
)
LOYALTY = _table(
    {
        LoyaltyTier.NONE: "nenhum",
        LoyaltyTier.SILVER: "prata",
        LoyaltyTier.GOLD: "ouro",
        LoyaltyTier.PLATINUM: "platina",
    }
)
PAYMENT_STATUS = _table(
    {
        PaymentStatus.RECEIVED: "recebido",
        PaymentStatus.PENDING: "pendente",
        PaymentStatus.REFUNDED: "reembolsado",
        PaymentStatus.FAILED: "falhado",
    }
)


def _look_up(table: Mapping[str, str]) -> Callable[[str], str | None]:
    """The unified word, or None. Cached: a million records use a few dozen spellings."""

    @lru_cache(maxsize=1024)
    def look_up(word: str) -> str | None:
        return table.get(fold(word))

    return look_up


status = _look_up(STATUS)
channel = _look_up(CHANNEL)
room_type = _look_up(ROOM_TYPE)
payment_method = _look_up(PAYMENT_METHOD)
room_status = _look_up(ROOM_STATUS)
loyalty_tier = _look_up(LOYALTY)
payment_status = _look_up(PAYMENT_STATUS)
