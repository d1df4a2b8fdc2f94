"""What the PMS's two languages call things: the simulator's own copy of the vendor's vocabulary.

Written from ../shared/vendors/hostpms.md and not imported from ``shared.vendors.hostpms``: a simulator
that shared the table with what it tests could not find an error in it. The first word of a line is the
usual one; the others are written by some users of the PMS.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Language = Literal["pt", "es"]
Vocabulary = Mapping[str, tuple[str, ...]]

_PT: Mapping[str, Vocabulary] = {
    "booking_status": {
        "confirmed": ("confirmado", "confirmada", "Confirmado"),
        "pending": ("pendente", "Pendente"),
        "cancelled": ("cancelado", "cancelada", "anulado"),
        "checked_in": ("check_in", "alojado", "hospedado"),
        "checked_out": ("check_out", "saiu", "finalizado"),
        "no_show": ("no_show", "nao_compareceu"),
    },
    "channel": {
        "direct": ("direto", "Direto"),
        "site": ("site",),
        "agent": ("agencia", "agência"),
        "walk_in": ("balcao", "balcão", "walk_in"),
    },
    "room_type": {
        "single": ("Quarto Individual", "QUARTO INDIVIDUAL"),
        "double": ("Quarto Duplo", "quarto duplo"),
        "twin": ("Quarto Twin",),
        "triple": ("Quarto Triplo",),
        "family": ("Quarto Familiar",),
        "suite": ("Suite", "Suíte"),
        "apartment": ("Apartamento",),
    },
    "method": {
        "card": ("credit_card", "cartao_credito"),
        "cash": ("dinheiro", "numerario"),
        "invoice": ("fatura",),
        "points": ("pontos",),
        "mobile": ("mbway", "MBWay"),
        "debit": ("multibanco",),
        "transfer": ("transferencia", "transferência"),
    },
    "room_status": {
        "clean": ("limpo", "Limpo"),
        "dirty": ("sujo",),
        "occupied": ("ocupado",),
        "maintenance": ("manutencao", "manutenção"),
        "blocked": ("bloqueado",),
    },
    "rate_plan": {
        "flexible": ("Flexível",),
        "prepaid": ("Não Reembolsável",),
        "breakfast": ("Pequeno-almoço Incluído",),
    },
    "bed": {
        "single": ("Solteiro",),
        "double": ("Casal",),
        "twin": ("Duas camas de solteiro",),
        "triple": ("Casal e solteiro",),
        "family": ("Casal e beliche",),
        "suite": ("Casal King",),
        "apartment": ("Casal e sofá-cama",),
    },
    "amenity": {
        "wifi": ("wifi",),
        "balcony": ("varanda",),
        "air": ("ar_condicionado",),
        "minibar": ("minibar",),
        "safe": ("cofre",),
        "view": ("vista_rio",),
    },
}
_ES: Mapping[str, Vocabulary] = {
    "booking_status": {
        "confirmed": ("confirmada", "confirmado", "CONFIRMADA"),
        "pending": ("pendiente",),
        "cancelled": ("cancelada", "anulado"),
        "checked_in": ("hospedado", "alojado"),
        "checked_out": ("finalizado", "check_out"),
        "no_show": ("no_presentado", "no_show"),
    },
    "channel": {
        "direct": ("directo", "Directo"),
        "site": ("site",),
        "agent": ("agencia",),
        "walk_in": ("walk_in",),
    },
    "room_type": {
        "single": ("Habitación Individual", "Habitacion Individual"),
        "double": ("Habitación Doble", "Habitacion Doble"),
        "twin": ("Habitación Twin",),
        # The vendor's table knows no Spanish words for these three.
        "triple": ("Quarto Triplo",),
        "family": ("Quarto Familiar",),
        "suite": ("Suite",),
        "apartment": ("Apartamento",),
    },
    "method": {
        "card": ("credit_card",),
        "cash": ("efectivo",),
        "invoice": ("factura",),
        "points": ("pontos",),
        "transfer": ("transferencia",),
    },
    "room_status": {
        "clean": ("limpio", "Limpio"),
        "dirty": ("sucio",),
        "occupied": ("ocupado",),
        "maintenance": ("manutencao",),
        "blocked": ("bloqueado",),
    },
    "rate_plan": {
        "flexible": ("Flexible",),
        "prepaid": ("No Reembolsable",),
        "breakfast": ("Desayuno Incluido",),
    },
    "bed": {
        "single": ("Individual",),
        "double": ("Matrimonio",),
        "twin": ("Dos camas",),
        "triple": ("Matrimonio e individual",),
        "family": ("Matrimonio y litera",),
        "suite": ("Matrimonio King",),
        "apartment": ("Matrimonio y sofá cama",),
    },
    "amenity": {
        "wifi": ("wifi",),
        "balcony": ("balcón",),
        "air": ("aire_acondicionado",),
        "minibar": ("minibar",),
        "safe": ("caja_fuerte",),
        "view": ("vista_plaza",),
    },
}
# Documented in Portuguese alone: Spanish accounts are taken to show them too.
_BOTH: Mapping[str, Vocabulary] = {
    "loyalty": {
        "none": ("nenhum",),
        "silver": ("prata",),
        "gold": ("ouro",),
        "platinum": ("platina",),
    },
    "payment_status": {
        "received": ("recebido",),
        "pending": ("pendente",),
        "refunded": ("reembolsado",),
        "failed": ("falhado",),
    },
}
_TABLES: Mapping[Language, Mapping[str, Vocabulary]] = {"pt": {**_PT, **_BOTH}, "es": {**_ES, **_BOTH}}

OTAS = ("booking_com", "expedia", "airbnb", "hotelbeds")
"""The same word in every language."""

UNDOCUMENTED: Mapping[str, str] = {
    "booking_status": "em_validacao",
    "channel": "feira_turismo",
    "room_type": "Bungalow Jardim",
    "method": "vale_oferta",
    "room_status": "inspecao",
    "loyalty": "diamante",
    "payment_status": "em_disputa",
}
"""Words the vendor may bring in one day without a notice: one for each vocabulary."""

REQUESTS: Mapping[Language, tuple[str, ...]] = {
    "pt": (
        "Quarto silencioso",
        "Cama extra, por favor",
        "Chegada após as 22h",
        "Berço para bebé",
        "Andar alto, com vista se possível",
        "Alergia a penas: almofada sintética",
        'Cartão de boas-vindas: "Parabéns, Inês!"',
        "Lugar de garagem\nMatrícula a confirmar",
    ),
    "es": (
        "Habitación tranquila",
        "Cama supletoria, por favor",
        "Llegada después de las 22 h",
        "Cuna para bebé",
        "Piso alto, con vistas si es posible",
        "Alergia a las plumas: almohada sintética",
        'Tarjeta de bienvenida: "¡Feliz cumpleaños, Íñigo!"',
        "Plaza de garaje\nMatrícula por confirmar",
    ),
}


def word(language: Language, vocabulary: str, meaning: str, wording: int = 0) -> str:
    """The PMS's word for ``meaning``; ``wording`` picks among its spellings (0: the usual one)."""
    spellings = _TABLES[language][vocabulary].get(meaning, (meaning,))
    return spellings[wording % len(spellings)]
