"""A line of the bill: so many of something, at a price."""

from __future__ import annotations

from typing import NamedTuple

from scripts.cost.prices import Price


class Unpriced(ValueError):
    """A template has what the model cannot price; the message names it, and where its rule belongs."""


class Charge(NamedTuple):
    """``quantity`` of what ``price`` is for, in a month."""

    service: str
    what: str
    quantity: float
    price: Price
    standing: bool = False
    """Owed however little there is to do."""

    @property
    def usd(self) -> float:
        return self.quantity * self.price.usd
