"""Writes docs/tables.md from the unified model: ``python -m scripts.documentation``.

Every name, type and meaning comes from ``shared.model``; only the units of whole numbers stand here. A test
holds the page to what this writes, so that a new column cannot be forgotten.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from inspect import getdoc
from typing import Any, get_args
from uuid import UUID

from scripts.local.environment import ROOT
from shared.model.columns import ENTITIES, MODELS, TABLES, Column, columns, glue_columns, order_columns
from shared.model.identity import NAMESPACE

PAGE = ROOT / "docs" / "tables.md"

_POSTGRES_TYPES = {
    UUID: "uuid",
    str: "text",
    int: "integer",
    bool: "boolean",
    date: "date",
    datetime: "timestamptz",
    Decimal: "numeric",
    list: "text[]",
}
_UNITS = {Decimal: "`currency`", datetime: "UTC", date: "calendar date"}
_UNITS_OF_NUMBERS = {
    "adults": "persons",
    "children": "persons",
    "floor": "storeys",
    "lead_time": "days",
    "length_of_stay": "nights",
    "mapping_version": "number",
    "max_occupancy": "persons",
    "raw_line": "line number",
    "version": "changes",
}
"""What a whole number counts. A column that is missing here stops the page: somebody has to say."""

_OPENING = f"""\
# Tables

Every table and column, in PostgreSQL (schema `hotel`) and in the lake (Parquet in the processed bucket, queried
with Athena). `scripts/documentation.py` writes this page from `shared/model/`; change the model, not the page:

```sh
.venv/bin/python -m scripts.documentation
```

## How to read it

- **Identity.** `id` is the UUIDv5 of `{{source}}:{{hotel_id}}:{{entity}}:{{external_id}}` in the namespace
  `{NAMESPACE}`: the same on every path, in every region, for ever. References
  (`guest_id`, `room_id`, `booking_id`) are such ids too. There are no foreign keys: records come in any order.
- **Money** is exact: `numeric` in PostgreSQL with the currency's own number of digits (450.00 EUR, 450 JPY),
  `decimal(18,4)` in the lake. Amounts are gross.
- **Time.** Instants are UTC. A stay's dates are the hotel's local calendar dates.
- **Null** says whether a column may be empty. An empty value means that the vendor does not say.
- **Unknown words.** A vendor's word that is not in its table becomes `unknown`; the word itself is kept in the
  `source_…` column beside it.
- **–** in the column *Lake* means that the column is in PostgreSQL alone. *partition* means that it stands in the
  file's path and not in the file; in a query it is a column like the others.
"""


_READERS = """\
## Who may read what

In PostgreSQL, by role. `m0002_readers.py` and `m0003_auditor.py` in `shared/storage/migrations/versions/` have the
rights and policies; a test walks PostgreSQL's catalogue for ways round them.

| role | may | sees |
| --- | --- | --- |
| the owner, who migrates | everything | all rows, under no policy |
| `pousada_writer` | read, insert, update; not delete | all rows |
| `pousada_auditor` | read | all rows |
| `pousada_reader` | read | the rows of its hotels, and its own lines in `reader_hotels` |

The functions apply and etl and the Glue job log in as `pousada_app`, a member of `pousada_writer`, and the daily audit
as `pousada_audit`, of `pousada_auditor`: on AWS by IAM and without a password ([network.md](network.md#postgresql)), on
the local target by a secret for each.

A reader is a login of its own in the group `pousada_reader`, made by
[`scripts/pousada database reader add`](runbook.md#readers). Which hotels it sees stands in `hotel.reader_hotels`
(`role_name`, `source`, `hotel_id`), by the name it logged in with: no setting and no `SET ROLE` changes that. A hotel
is vendor and property id together. Of the quarantine a reader does not see `property_mismatch`: such a record may be
another hotel's. The group is one for all databases of a server; of those that Pousada has migrated, a login may connect
to the one it was made in alone. PostgreSQL lets every login into the others, such as the `postgres` that each server
has: nothing of ours is in there.

The lake is not divided: whoever may query it sees all hotels.

What a reader can learn of other hotels all the same, because PostgreSQL tells it to everyone:

- how many rows there are: of a table (`pg_class`, `pg_stat_user_tables`), and by the planner's estimates (`EXPLAIN`)
  how many of a hotel, a day, a status, a room. Columns that name a person, a record or a raw object have no statistics
  for that reason (but of the quarantine's raw keys the first, the last and the most common), and indexes begin with the
  hotel: what others' rows hold in those columns, neither estimates nor `EXPLAIN ANALYZE` tell;
- that a record exists, for who knows its exact `id`, and so for who guesses vendor, hotel and external id rightly (a
  guest without an id has one from tax id or e-mail). The ids themselves can be found as well; they are hashes;
- the names of databases and of other readers: give a reader no name that is a secret.

Its read-only mode and its limits of time are defaults that a session may change. It still cannot write to a table, but
it can make work and hold locks. Whoever should not be trusted with that much is better given an export.
"""


def page() -> str:
    """The whole of docs/tables.md."""
    return "\n".join([_OPENING, *(_table(entity) for entity in MODELS), _lake(), _versions(), _current(), _READERS])


def _table(entity: str) -> str:
    """One table's heading, its description and its columns."""
    table = TABLES[entity]
    lake = {name: kind for name, kind, _ in glue_columns(entity)}
    lines = [f"## {table}", "", f"{getdoc(MODELS[entity])} In the lake: `{table}`.", ""]
    lines += ["| column | PostgreSQL | Lake | null | unit | meaning |", "| --- | --- | --- | --- | --- | --- |"]
    return "\n".join([*lines, *(_row(entity, column, lake) for column in columns(entity)), ""])


def _row(entity: str, column: Column, lake: dict[str, str]) -> str:
    in_lake = "partition" if column.name == "source" else _code(lake.get(column.name))
    cells = (
        f"`{column.name}`",
        f"`{_POSTGRES_TYPES[column.kind]}`",
        in_lake,
        "yes" if column.nullable else "no",
        _unit(column),
        f"{column.description}{_words(entity, column.name)}",
    )
    return f"| {' | '.join(cells)} |"


def _code(kind: str | None) -> str:
    return f"`{kind}`" if kind else "–"


def _unit(column: Column) -> str:
    """Raises KeyError for a whole number whose unit nobody named."""
    return _UNITS_OF_NUMBERS[column.name] if column.kind is int else _UNITS.get(column.kind, "")


def _words(entity: str, name: str) -> str:
    """The words that a column of an enum may hold."""
    annotation: Any = MODELS[entity].model_fields[name].annotation
    for kind in (annotation, *get_args(annotation)):
        if isinstance(kind, type) and issubclass(kind, StrEnum):
            return f" One of {', '.join(f'`{word}`' for word in kind)}."
    return ""


def _lake() -> str:
    return """\
## In the lake

A file is `{table}/source={vendor}/year=YYYY/month=MM/day=DD/{batch}-{n}.parquet` in the bucket
`{prefix}-{stage}-processed`: one for each batch, group of its raw objects, table and vendor. Rows come there with the
next run of the batch job. A batch that is repeated writes the same files again. Files are added and never changed: a
table is the history of every record as it came, so that the same content stands there more than once where a webhook
and a poll both brought it. Of a quarantined record the lake tells that it was refused; whether it has been resolved
since, PostgreSQL alone.

| partition column | Athena | meaning |
| --- | --- | --- |
| `source` | `string` | The vendor. |
| `year` | `int` | Of the day the batch was fixed, in UTC. |
| `month` | `int` | Of that day. |
| `day` | `int` | Of that day. |

Partitions are projected: there is no crawler and no `MSCK`. A query that names `source`, `year`, `month` and `day`
reads only those files. They tell when a version was synced, not when a stay is.
"""


def _versions() -> str:
    rows = [f"| `{TABLES[entity]}` | {_order(entity)} |" for entity in ENTITIES]
    return "\n".join(
        [
            "## The order of versions",
            "",
            "Of two versions of one id the greater one stands, compared by these columns, most significant first.",
            "A `source_updated_at` that is null ranks lowest. PostgreSQL keeps the greatest alone: a row gives way",
            "only to a greater one, so that the order of arrival does not matter. The same content with later order",
            "columns moves those on, and neither `version` nor `synced_at`.",
            "",
            "| table | order |",
            "| --- | --- |",
            *rows,
            "",
        ]
    )


def _order(entity: str) -> str:
    return ", ".join(f"`{column}`" for column in order_columns(entity))


def _current() -> str:
    views = ", ".join(f"`{TABLES[entity]}_current`" for entity in ENTITIES)
    return f"""\
## Current versions

Views in the Glue catalog with the same columns, and of each id only the version that stands: {views}.
Use them unless you ask about history. The embedded Athena of the local target has no views; the
[saved queries](queries/README.md) begin with the same text as a common table expression.
"""


def write() -> None:
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    write()
