"""The rules a unified row is held to, each with a name and a severity (DESIGN.md §1.4).

``refuse``: the record goes to the quarantine. ``warn``: it is kept, and counted. Rules speak of
unified rows, so that they hold for every vendor; a new rule is one entry here and a line in
docs/runbook.md. A rule's check returns True where the row keeps it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from shared.errors import Unmappable
from shared.model.contacts import is_e164, is_email, is_nif
from shared.model.mapping import Row, Warned
from shared.model.money import is_currency


@dataclass(frozen=True, slots=True)
class Rule:
    name: str
    entity: str
    severity: Literal["refuse", "warn"]
    field: str
    check: Callable[[Row], bool]


def _has_identity(row: Row) -> bool:
    return bool(row.external_id and not row.external_id.isspace())


def _leaves_after_arriving(booking: Row) -> bool:
    return bool(booking.check_out_date > booking.check_in_date)


def _total_is_not_negative(booking: Row) -> bool:
    return booking.total_amount is None or bool(booking.total_amount >= 0)


def _tax_is_part_of_total(booking: Row) -> bool:
    tax, total = booking.tax_amount, booking.total_amount
    return tax is None or total is None or bool(tax <= total)


def _currency_is_known(row: Row) -> bool:
    return row.currency is None or is_currency(row.currency)


def _amounts_have_a_currency(booking: Row) -> bool:
    return booking.total_amount is None or booking.currency is not None


def _has_a_currency(payment: Row) -> bool:
    return payment.currency is not None


def _guest_email_is_well_formed(booking: Row) -> bool:
    return not booking.guest_email or is_email(booking.guest_email)


def _guest_phone_is_e164(booking: Row) -> bool:
    return not booking.guest_phone or is_e164(booking.guest_phone)


def _guest_nif_is_valid(booking: Row) -> bool:
    return booking.guest_country != "PT" or not booking.guest_tax_id or is_nif(booking.guest_tax_id)


def _email_is_well_formed(guest: Row) -> bool:
    return not guest.email or is_email(guest.email)


def _phone_is_e164(guest: Row) -> bool:
    return not guest.phone or is_e164(guest.phone)


def _nif_is_valid(guest: Row) -> bool:
    return guest.country != "PT" or not guest.tax_id or is_nif(guest.tax_id)


RULES: tuple[Rule, ...] = (
    Rule("identity_missing", "booking", "refuse", "external_id", _has_identity),
    Rule("check_out_not_after_check_in", "booking", "refuse", "check_out_date", _leaves_after_arriving),
    Rule("total_negative", "booking", "refuse", "total_amount", _total_is_not_negative),
    Rule("tax_exceeds_total", "booking", "refuse", "tax_amount", _tax_is_part_of_total),
    Rule("currency_unknown", "booking", "refuse", "currency", _currency_is_known),
    Rule("currency_missing", "booking", "warn", "currency", _amounts_have_a_currency),
    Rule("email_malformed", "booking", "warn", "guest_email", _guest_email_is_well_formed),
    Rule("phone_not_e164", "booking", "warn", "guest_phone", _guest_phone_is_e164),
    Rule("nif_invalid", "booking", "warn", "guest_tax_id", _guest_nif_is_valid),
    Rule("identity_missing", "guest", "refuse", "external_id", _has_identity),
    Rule("email_malformed", "guest", "warn", "email", _email_is_well_formed),
    Rule("phone_not_e164", "guest", "warn", "phone", _phone_is_e164),
    Rule("nif_invalid", "guest", "warn", "tax_id", _nif_is_valid),
    Rule("identity_missing", "room", "refuse", "external_id", _has_identity),
    Rule("currency_unknown", "room", "refuse", "currency", _currency_is_known),
    Rule("identity_missing", "payment", "refuse", "external_id", _has_identity),
    Rule("currency_missing", "payment", "refuse", "currency", _has_a_currency),
    Rule("currency_unknown", "payment", "refuse", "currency", _currency_is_known),
)


def _rules_of(entity: str) -> tuple[Rule, ...]:
    return tuple(rule for rule in RULES if rule.entity == entity)


_BY_ENTITY = {entity: _rules_of(entity) for entity in ("booking", "guest", "room", "payment")}
_CHECKS = {entity: tuple(rule.check for rule in rules) for entity, rules in _BY_ENTITY.items()}


def hold(entity: str, row: Row, warned: Warned) -> None:
    """Raises Unmappable, with the rule's name as reason, at the first refusing rule that ``row`` breaks.

    A guest from inside a reservation has been held as part of its booking: the same values are not warned of twice.
    """
    if entity == "guest" and not row.is_profile:
        return
    for check in _CHECKS[entity]:
        if not check(row):
            _judge(entity, row, warned)
            return


def _judge(entity: str, row: Row, warned: Warned) -> None:
    broken = [rule for rule in _BY_ENTITY[entity] if not rule.check(row)]
    for rule in broken:
        if rule.severity == "refuse":
            raise Unmappable(f"{entity}: {rule.name}", reason=rule.name, field=rule.field)
    for rule in broken:
        warned.add(entity, rule.name, rule.field)
