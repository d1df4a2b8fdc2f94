"""The rules a unified row is held to, each with a name and a severity (DESIGN.md §1.4).

``refuse``: the record goes to the quarantine. ``warn``: it is kept, and counted. Rules speak of
unified rows, so that they hold for every vendor; a new rule is one entry here and a line in
docs/runbook.md. A rule's check returns True where the row keeps it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
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
    reads: tuple[str, ...]
    """The fields that it judges; a break is told of the first."""
    check: Callable[..., bool]

    @property
    def field(self) -> str:
        return self.reads[0]

    def keeps(self, row: Row) -> bool:
        return self.check(*[getattr(row, name) for name in self.reads])


def _names_something(external_id: str | None) -> bool:
    return bool(external_id and not external_id.isspace())


def _is_after(check_out: date, check_in: date) -> bool:
    return check_out > check_in


def is_not_negative(amount: Decimal | None) -> bool:
    return amount is None or amount >= 0


def is_part_of(tax: Decimal | None, total: Decimal | None) -> bool:
    return tax is None or total is None or tax <= total


def _is_known(currency: str | None) -> bool:
    return currency is None or is_currency(currency)


def is_there_for(currency: str | None, amount: Decimal | None) -> bool:
    return amount is None or currency is not None


def _is_there(value: object) -> bool:
    return value is not None


def is_well_formed(email: str | None) -> bool:
    return not email or is_email(email)


def is_normalised(phone: str | None) -> bool:
    return not phone or is_e164(phone)


def _is_valid_in(tax_id: str | None, country: str | None) -> bool:
    return country != "PT" or not tax_id or is_nif(tax_id)


RULES: tuple[Rule, ...] = (
    Rule("identity_missing", "booking", "refuse", ("external_id",), _names_something),
    Rule("check_out_not_after_check_in", "booking", "refuse", ("check_out_date", "check_in_date"), _is_after),
    Rule("total_negative", "booking", "refuse", ("total_amount",), is_not_negative),
    Rule("tax_exceeds_total", "booking", "refuse", ("tax_amount", "total_amount"), is_part_of),
    Rule("currency_unknown", "booking", "refuse", ("currency",), _is_known),
    Rule("currency_missing", "booking", "warn", ("currency", "total_amount"), is_there_for),
    Rule("email_malformed", "booking", "warn", ("guest_email",), is_well_formed),
    Rule("phone_not_e164", "booking", "warn", ("guest_phone",), is_normalised),
    Rule("nif_invalid", "booking", "warn", ("guest_tax_id", "guest_country"), _is_valid_in),
    Rule("identity_missing", "guest", "refuse", ("external_id",), _names_something),
    Rule("email_malformed", "guest", "warn", ("email",), is_well_formed),
    Rule("phone_not_e164", "guest", "warn", ("phone",), is_normalised),
    Rule("nif_invalid", "guest", "warn", ("tax_id", "country"), _is_valid_in),
    Rule("identity_missing", "room", "refuse", ("external_id",), _names_something),
    Rule("currency_unknown", "room", "refuse", ("currency",), _is_known),
    Rule("identity_missing", "payment", "refuse", ("external_id",), _names_something),
    Rule("currency_missing", "payment", "refuse", ("currency",), _is_there),
    Rule("currency_unknown", "payment", "refuse", ("currency",), _is_known),
)


def rules_of(entity: str, row: Row) -> tuple[Rule, ...]:
    """What ``row`` is held to. A guest from inside a reservation has been held as part of its booking: the same
    values are not warned of twice."""
    return () if entity == "guest" and not row.is_profile else _BY_ENTITY[entity]


_BY_ENTITY = {name: tuple(rule for rule in RULES if rule.entity == name) for name in {rule.entity for rule in RULES}}


def hold(entity: str, row: Row, warned: Warned) -> None:
    """Raises Unmappable, with the rule's name as reason, at the first refusing rule that ``row`` breaks."""
    broken = [rule for rule in rules_of(entity, row) if not rule.keeps(row)]
    for rule in broken:
        if rule.severity == "refuse":
            raise Unmappable(f"{entity}: {rule.name}", reason=rule.name, field=rule.field)
    for rule in broken:
        warned.add(entity, rule.name, rule.field)
