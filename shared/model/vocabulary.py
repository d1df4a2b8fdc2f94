"""The unified words. Each enum ends in ``unknown``: what no vendor table knows is never guessed (DESIGN.md §4)."""

from __future__ import annotations

from enum import StrEnum


class Entity(StrEnum):
    """What a record is about; the word in envelopes, keys and code."""

    BOOKING = "booking"
    GUEST = "guest"
    ROOM = "room"
    PAYMENT = "payment"


class BookingStatus(StrEnum):
    PENDING = "pending"
    CONFIRMED = "confirmed"
    CHECKED_IN = "checked_in"
    CHECKED_OUT = "checked_out"
    CANCELLED = "cancelled"
    NO_SHOW = "no_show"
    UNKNOWN = "unknown"


class Channel(StrEnum):
    """Where a booking was made."""

    DIRECT = "direct"
    OTA = "ota"
    AGENT = "agent"
    WALK_IN = "walk_in"
    UNKNOWN = "unknown"


class PaymentMethod(StrEnum):
    CREDIT_CARD = "credit_card"
    DEBIT = "debit"
    CASH = "cash"
    INVOICE = "invoice"
    POINTS = "points"
    MOBILE = "mobile"
    BANK_TRANSFER = "bank_transfer"
    UNKNOWN = "unknown"


class PaymentStatus(StrEnum):
    PENDING = "pending"
    RECEIVED = "received"
    REFUNDED = "refunded"
    FAILED = "failed"
    UNKNOWN = "unknown"


class RoomStatus(StrEnum):
    CLEAN = "clean"
    DIRTY = "dirty"
    OCCUPIED = "occupied"
    MAINTENANCE = "maintenance"
    BLOCKED = "blocked"
    UNKNOWN = "unknown"


class LoyaltyTier(StrEnum):
    NONE = "none"
    SILVER = "silver"
    GOLD = "gold"
    PLATINUM = "platinum"
    UNKNOWN = "unknown"
