"""What a vendor's folder offers: the shapes that ``registry`` hands out and the contract tests hold.

``shared/vendors/<vendor>/`` has four modules: ``payloads`` (typed raw records), ``mapping`` (raw to
unified), ``api`` (client) and ``webhook`` (signature, event names). This module imports none of them,
and nothing heavy: the webhook function's path runs through it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol


class Signed(NamedTuple):
    """A delivery whose signature held."""

    signed_at: datetime
    """UTC, from the vendor's signed timestamp."""
    secret: str
    """``current``, ``previous`` or ``next``: which of the property's secrets it was signed with."""


class WebhookContract(Protocol):
    """``shared.vendors.<vendor>.webhook``."""

    EVENTS: Mapping[str, str]
    """The vendor's event name → the entity its record is."""

    @staticmethod
    def verify(headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: datetime) -> Signed:
        """``headers`` have lower-case names; ``secrets`` are current, then previous, then next.

        Raises Unauthenticated with reason ``missing_signature``, ``missing_timestamp``,
        ``malformed_timestamp``, ``stale_timestamp`` or ``wrong_signature``.
        """
        ...

    @staticmethod
    def signed_headers(body: bytes, secret: str, at: datetime) -> dict[str, str]:
        """What the vendor sends with ``body`` signed at ``at`` (UTC): deliveries by hand (``pousada send``)."""
        ...

    @staticmethod
    def delivery_id(headers: Mapping[str, str], body: bytes) -> str | None:
        """The delivery's own id, where the vendor gives one. Raises Malformed where ``body`` is not JSON."""
        ...
