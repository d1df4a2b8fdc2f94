"""Invented people: names, phones, tax ids and addresses of the countries guests come from.

Every e-mail address lies in a domain reserved for examples (RFC 2606). Tax ids have right check digits
(python-stdnum), but for the few that shall not.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from random import Random

from stdnum.es import dni
from stdnum.pt import nif

_FIRST: Mapping[str, tuple[str, ...]] = {
    "PT": (
        "João", "Maria", "Inês", "Tiago", "Beatriz", "Rui", "Sofia", "Gonçalo", "Leonor", "Miguel", "Catarina", "Nuno",
        "Mariana", "André", "Joana", "Luís", "Matilde", "Pedro", "Conceição", "Simão", "Carolina", "Vasco", "Marta",
    ),
    "ES": (
        "Lucía", "Javier", "María", "Íñigo", "Sofía", "Álvaro", "Martina", "Begoña", "Pablo", "Carmen", "Diego",
        "Núria", "Sergio", "Elena", "Jesús", "Paula", "Adrián", "Ángela", "Andrés", "Rocío", "Óscar", "Irene", "Fermín",
    ),
    "FR": ("Camille", "Julien", "Chloé", "Étienne", "Manon", "Lucas", "Aurélie", "François", "Zoé", "Mathieu"),
    "GB": ("Oliver", "Amelia", "Harry", "Isla", "George", "Emily", "Jack", "Sophie", "Thomas", "Grace"),
    "DE": ("Lukas", "Hannah", "Jürgen", "Lena", "Felix", "Käthe", "Jonas", "Sabine", "Björn", "Marie"),
    "US": ("Madison", "Ethan", "Ashley", "Tyler", "Hailey", "Brandon", "Megan", "Caleb", "Kayla", "Logan"),
    "BR": ("Thiago", "Júlia", "Rafael", "Fernanda", "Caio", "Larissa", "Gustavo", "Letícia", "Murilo", "Camila"),
    "IT": ("Giulia", "Matteo", "Chiara", "Alessandro", "Francesca", "Niccolò", "Sara", "Lorenzo", "Elisa", "Davide"),
    "NL": ("Daan", "Sanne", "Bram", "Femke", "Sem", "Lotte", "Thijs", "Maud", "Joris", "Anouk"),
}  # fmt: skip
_LAST: Mapping[str, tuple[str, ...]] = {
    "PT": (
        "Silva", "Santos", "Ferreira", "Pereira", "Oliveira", "Gonçalves", "Conceição", "Magalhães", "Simões", "Araújo",
        "Brandão", "Antunes", "Falcão", "Lourenço", "Guimarães", "Sá", "Tavares", "Esteves", "Peixoto", "Quintão",
    ),
    "ES": (
        "García López", "Fernández Ruiz", "Muñoz", "Ibáñez Soto", "Peña", "Núñez Vega", "Castaño", "Ordóñez",
        "Llorente", "Echeverría", "Zúñiga", "Martín Gil", "Sáenz", "Vázquez", "Carreño", "Giménez Roca", "Bermúdez",
        "Ibarra", "Pons",
    ),
    "FR": ("Lefèvre", "Moreau", "Girard", "Dubois", "Noël", "Mercier", "Fabre", "Roussel", "Besançon", "Chevalier"),
    "GB": ("Ashworth", "Whitmore", "O'Connor", "Penrose", "Smith-Jones", "Fairclough", "Holroyd", "Kerr", "Ives"),
    "DE": ("Müller", "Schäfer", "Weiß", "Krüger", "Lindner", "Böhm", "Vogt", "Harms", "Jäger", "Ostermann"),
    "US": ("Carter", "Nguyen", "Delgado", "Whitaker", "Kowalski", "Reyes", "Sullivan", "Boyd", "Okafor", "Lindgren"),
    "BR": ("Nascimento", "Barbosa", "Teixeira", "Rezende", "Albuquerque", "Assunção", "Moraes", "Leão", "Prado"),
    "IT": ("Rossi", "Ferrari", "D'Angelo", "Colombo", "Marchetti", "Bianchi", "Fontana", "Caputo", "Serra", "Valenti"),
    "NL": ("de Vries", "van den Berg", "Bakker", "Visser", "Smit", "Meijer", "van Dijk", "Bos", "Hendriks", "Kuipers"),
}  # fmt: skip
_ABROAD = {"FR": 12, "GB": 13, "DE": 11, "US": 10, "BR": 8, "IT": 5, "NL": 5}
_ORIGINS = {"PT": {"PT": 36, "ES": 14, **_ABROAD}, "ES": {"ES": 42, "PT": 9, **_ABROAD}}
_DOMAINS = ("example.com", "example.org", "example.net")

PHONES: Mapping[str, tuple[str, str, int]] = {
    # country: calling code, first digits, digits that follow
    "PT": ("351", "91", 7),
    "ES": ("34", "61", 7),
    "FR": ("33", "61", 7),
    "GB": ("44", "7400", 6),
    "DE": ("49", "1511", 7),
    "US": ("1", "212555", 4),
    "BR": ("55", "119", 8),
    "IT": ("39", "320", 7),
    "NL": ("31", "61", 7),
}


@dataclass(frozen=True, slots=True)
class Person:
    first_name: str
    last_name: str
    email: str | None
    phone: str | None
    """As somebody typed it: international or, at times, as one writes it at home."""
    country: str
    tax_id: str | None
    born: date

    @property
    def name(self) -> str:
        return f"{self.first_name} {self.last_name}"


class Population:
    """People without end, none of them twice: no two share an e-mail address or a tax id."""

    def __init__(self, rng: Random, hotel_country: str) -> None:
        self._rng = rng
        self._origins = _ORIGINS[hotel_country]
        self._born = 0
        self._tax_ids: set[str] = set()

    def person(self) -> Person:
        self._born += 1
        country = self._rng.choices(list(self._origins), list(self._origins.values()))[0]
        first, last = self._rng.choice(_FIRST[country]), self._rng.choice(_LAST[country])
        return Person(
            first_name=first,
            last_name=last,
            email=self._email(first, last),
            phone=phone(country, self._rng),
            country=country,
            tax_id=self._tax_id(country),
            born=date.fromordinal(self._rng.randint(date(1942, 1, 1).toordinal(), date(2003, 12, 31).toordinal())),
        )

    def _email(self, first: str, last: str) -> str:
        local = f"{_ascii(first)}.{_ascii(last)}{self._born}"
        # About one in a hundred is mistyped: a warning, and the value is kept.
        at = "@@" if self._rng.random() < 0.01 else "@"
        return f"{local}{at}{self._rng.choice(_DOMAINS)}"

    def _tax_id(self, country: str) -> str | None:
        if country not in ("PT", "ES") or self._rng.random() > 0.7:
            return None
        while True:
            tax_id = portuguese_tax_id(self._rng) if country == "PT" else spanish_tax_id(self._rng)
            if tax_id not in self._tax_ids:
                self._tax_ids.add(tax_id)
                return tax_id


def portuguese_tax_id(rng: Random, wrong: float = 0.02) -> str:
    """A NIF of a natural person; a share of ``wrong`` has a wrong check digit."""
    digits = f"{rng.choice('123')}{rng.randrange(10_000_000):07d}"
    check = int(nif.calc_check_digit(digits))
    if rng.random() < wrong:
        check = (check + rng.randint(1, 9)) % 10
    return f"{digits}{check}"


def spanish_tax_id(rng: Random) -> str:
    digits = f"{rng.randrange(1_000_000, 99_999_999):08d}"
    return f"{digits}{dni.calc_check_digit(digits)}"


def phone(country: str, rng: Random) -> str:
    code, first, more = PHONES[country]
    number = f"{first}{rng.randrange(10**more):0{more}d}"
    way = rng.random()
    if way < 0.80:
        return f"+{code}{number}"
    if way < 0.88:
        return f"+{code} {number[:3]} {number[3:6]} {number[6:]}"
    if way < 0.94:
        return f"00{code}{number}" if country not in ("US", "BR") else f"+{code} {number}"
    return f"0{number}" if country in ("FR", "GB", "DE", "NL") else number


def _ascii(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name.replace("ß", "ss")).encode("ascii", "ignore").decode()
    return "".join(letter for letter in plain.lower() if letter.isalnum())
