"""Each rule by its name: what breaks it, and that it is refused or warned of."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from shared.errors import Unmappable
from shared.model.mapping import Warned
from shared.pipeline.rules import RULES, hold
from tests import factories
from tests.factories import ABSENT, mapped, record, refusal_of

REFUSED: dict[tuple[str, str], list[dict[str, Any]]] = {
    ("booking", "identity_missing"): [{"reservation_id": " "}, {"reservation_id": "\t\n"}],
    ("booking", "check_out_not_after_check_in"): [
        {"dates": {"check_in": "2024-03-25", "check_out": "2024-03-25"}},
        {"dates": {"check_in": "2024-03-25", "check_out": "2024-03-20"}},
    ],
    ("booking", "total_negative"): [
        {"pricing": {"total": -0.01, "iva": -1}},
        {"pricing": {"total": "-450,00", "iva": None}},
    ],
    ("booking", "tax_exceeds_total"): [
        {"pricing": {"total": 100, "iva": 100.01}},
        {"pricing": {"total": 0, "iva": 0.01}},
    ],
    ("booking", "currency_unknown"): [{"pricing": {"currency": "EURO"}}, {"pricing": {"currency": "€"}}],
    ("guest", "identity_missing"): [{"guest_id": " "}],
    ("room", "identity_missing"): [{"room_id": "  "}],
    ("room", "currency_unknown"): [{"moeda": "ZZZ"}],
    ("payment", "identity_missing"): [{"payment_id": " "}],
    ("payment", "currency_missing"): [{"moeda": ""}, {"moeda": "  "}],
    ("payment", "currency_unknown"): [{"moeda": "EURO"}],
}
WARNED: dict[tuple[str, str], list[dict[str, Any]]] = {
    ("booking", "currency_missing"): [{"pricing": {"currency": ABSENT}}, {"pricing": {"currency": ""}}],
    ("booking", "email_malformed"): [{"guest": {"email": "joao.silva"}}, {"guest": {"email": "joao@example@pt"}}],
    ("booking", "phone_not_e164"): [{"guest": {"phone": "reception"}}, {"guest": {"phone": "12", "country": None}}],
    ("booking", "nif_invalid"): [
        {"guest": {"nif": "123456780"}},
        {"guest": {"nif": "12345678"}},
        {"guest": {"nif": "X"}},
    ],
    ("guest", "email_malformed"): [{"email": "joao.silva"}],
    ("guest", "phone_not_e164"): [{"telefone": "reception"}],
    ("guest", "nif_invalid"): [{"nif": "123456780"}],
}
KEPT = [
    ("booking", {"pricing": {"total": 0, "iva": 0}}),
    ("booking", {"pricing": {"total": 100, "iva": 100}}),
    ("booking", {"pricing": {"total": None, "currency": None, "iva": 5}}),
    ("booking", {"dates": {"check_in": "1987-01-01", "check_out": "1987-01-02"}}),
    ("booking", {"guest": {"country": "ES", "nif": "12345678Z"}}),
    ("booking", {"guest": {"country": None, "nif": "123456780"}}),
    ("booking", {"guest": {"email": None, "phone": None, "nif": None}}),
    ("payment", {"valor": -25.5}),
    ("guest", {"pais": "ES", "nif": "X1234567L"}),
]


def cases(table: dict[tuple[str, str], list[dict[str, Any]]]) -> list[Any]:
    return [
        pytest.param(entity, rule, changes, id=f"{entity}-{rule}-{number}")
        for (entity, rule), breaking in table.items()
        for number, changes in enumerate(breaking)
    ]


def field_of(entity: str, name: str) -> str:
    (rule,) = (rule for rule in RULES if (rule.entity, rule.name) == (entity, name))
    return rule.field


@pytest.mark.parametrize(("entity", "rule", "changes"), cases(REFUSED))
def test_what_breaks_a_refusing_rule_is_refused_by_its_name(entity, rule, changes) -> None:
    assert refusal_of(entity, record(entity, **changes)) == (rule, field_of(entity, rule))


@pytest.mark.parametrize(("entity", "rule", "changes"), cases(WARNED))
def test_what_breaks_a_warning_rule_is_kept_and_counted_once(entity, rule, changes) -> None:
    result = mapped(entity, record(entity, **changes))
    assert result.warned == Counter({(entity, rule, field_of(entity, rule)): 1})
    assert len(result.rows[entity]) == 1
    assert not result.refusals


@pytest.mark.parametrize(("entity", "changes"), KEPT)
def test_what_keeps_the_rules_is_neither_refused_nor_counted(entity, changes) -> None:
    result = mapped(entity, record(entity, **changes))
    assert (result.refusals, result.warned) == ([], {})
    assert result.rows[entity]


def test_every_rule_is_tried_here() -> None:
    tried = {(entity, rule, "refuse") for entity, rule in REFUSED} | {(entity, rule, "warn") for entity, rule in WARNED}
    assert {(rule.entity, rule.name, rule.severity) for rule in RULES} == tried


@pytest.mark.parametrize(
    ("changes", "field", "value"),
    [
        ({"guest": {"email": "joao.silva"}}, "guest_email", "joao.silva"),
        ({"guest": {"phone": "reception"}}, "guest_phone", "reception"),
        ({"guest": {"nif": "123456780"}}, "guest_tax_id", "123456780"),
    ],
)
def test_a_warning_keeps_the_value(changes, field, value) -> None:
    assert getattr(factories.row_of("booking", record("booking", **changes)), field) == value


def test_a_refusal_comes_before_any_warning() -> None:
    changes = {"guest": {"email": "x", "nif": "1"}, "pricing": {"total": -1, "iva": -2}}
    result = mapped("booking", record("booking", **changes))
    assert [refusal.reason for refusal in result.refusals] == ["total_negative"]
    assert not result.warned


def test_several_warnings_are_each_counted() -> None:
    result = mapped("booking", record("booking", guest={"email": "x", "nif": "1", "phone": "y"}))
    assert {rule for _, rule, _ in result.warned} == {"email_malformed", "nif_invalid", "phone_not_e164"}


def test_a_refusal_says_the_rule_and_quotes_nothing() -> None:
    row = factories.booking_row(guest_name="MarkerName", guest_email="marker@example.pt", length_of_stay=0)
    row.check_out_date = row.check_in_date
    with pytest.raises(Unmappable) as caught:
        hold("booking", row, Warned())
    assert str(caught.value) == "booking: check_out_not_after_check_in"
    assert caught.value.facts == {"reason": "check_out_not_after_check_in", "field": "check_out_date"}
