"""How one record is written: looseness that is HostPMS's own, and faults on request.

A quirk is drawn once, when the record comes into being, and stays: a delivery and the list then show
the same version of a record alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random
from typing import Any, Literal

from scripts.simulators.hostpms.faults import Faults
from scripts.simulators.hostpms.words import UNDOCUMENTED

Record = dict[str, Any]
"""A vendor record; amounts are Decimal, or text where the PMS writes them so."""

_OPTIONAL: Mapping[str, tuple[str, ...]] = {
    "booking": (
        "special_requests", "payment_method", "adults", "children", "room.floor", "pricing.rate_plan",
        "pricing.deposit", "pricing.taxa_turistica",
    ),
    "guest": (
        "email", "telefone", "nif", "data_nascimento", "fidelidade", "quarto_preferido", "consentimento_marketing",
    ),
    "room": ("piso", "cama", "comodidades", "ocupacao_maxima", "tarifa_base"),
    "payment": ("metodo", "reservation_id"),
}  # fmt: skip
_VOCABULARIES: Mapping[str, tuple[str, ...]] = {
    "booking": ("booking_status", "channel", "room_type", "method"),
    "guest": ("loyalty", "room_type"),
    "room": ("room_status", "room_type"),
    "payment": ("method", "payment_status"),
}


@dataclass(frozen=True, slots=True)
class Quirks:
    numbers: Literal["number", "comma", "text"] = "number"
    """``450.00``, ``"450,00"`` or ``"450.00"``."""
    wording: int = 0
    """Which of a word's spellings is used."""
    undocumented: Mapping[str, str] = field(default_factory=dict)
    """Vocabulary → a word the documentation does not have."""
    missing: frozenset[str] = frozenset()
    """Dotted paths of optional fields that are left out."""

    def amount(self, value: Decimal) -> Decimal | str:
        if self.numbers == "number":
            return value
        return f"{value}".replace(".", ",") if self.numbers == "comma" else f"{value}"

    def without_missing(self, record: Record) -> Record:
        for path in self.missing:
            *parents, name = path.split(".")
            place = record
            for parent in parents:
                place = place[parent]
            place.pop(name, None)
        return record


def draw(entity: str, rng: Random, faults: Faults) -> Quirks:
    """The quirks of a new record. Always draws as often, so that a knob changes no other part of the world."""
    numbers = rng.choices(("number", "comma", "text"), (94, 4, 2))[0]
    wording = rng.choices((0, 1, 2), (88, 8, 4))[0]
    vocabulary = rng.choice(_VOCABULARIES[entity])
    optional = _OPTIONAL[entity]
    missing = frozenset(rng.sample(optional, rng.randint(1, min(3, len(optional)))))
    unknown, incomplete = rng.random() < faults.unknown_words, rng.random() < faults.missing_fields
    return Quirks(
        numbers=numbers,  # type: ignore[arg-type]
        wording=wording,
        undocumented={vocabulary: UNDOCUMENTED[vocabulary]} if unknown else {},
        missing=missing if incomplete else frozenset(),
    )
