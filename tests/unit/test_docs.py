"""README.md and docs/, held to the code: what they name is there, and what is there they name."""

from __future__ import annotations

import ast
import json
import re
import shlex
import types
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

import msgspec
import pytest
import typer
from botocore import xform_name
from botocore.loaders import Loader
from botocore.model import ServiceModel

from lambdas.webhook.landing import Result
from scripts import documentation
from scripts.benchmarks.bars import BARS
from scripts.cli.app import app
from scripts.local.environment import ROOT
from shared.errors import Unauthenticated
from shared.model.columns import Column
from shared.model.mapping import MappingContext
from shared.names import Names
from shared.pipeline import audit, rules
from shared.pipeline.transform import map_payload
from shared.storage.processed_lake import parquet_key
from shared.vendors.hostpms import api, payloads, statuses, webhook, words
from tests.emitted import emitted

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
LOCAL = (ROOT / "docs" / "local.md").read_text(encoding="utf-8")
HOSTPMS = (ROOT / "docs" / "vendors" / "hostpms.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


def table_below(text: str, heading: str) -> list[list[str]]:
    """The cells of the first table below ``heading``, its own first two lines left out."""
    _, found, rest = text.partition(f"\n{heading}\n")
    assert found, f"there is no {heading}"
    lines = re.search(r"^\|.*\n\|[ -|]*\n((?:\|.*\n)+)", rest, re.MULTILINE)
    assert lines, f"there is no table below {heading}"
    return [[cell.strip() for cell in line.strip("|\n").split(" | ")] for line in lines[1].splitlines()]


def coded(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def sources(*folders: str) -> Iterator[ast.Module]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield ast.parse(path.read_text(encoding="utf-8"))


# -- Every page ------------------------------------------------------------------------------------


@pages
def test_every_link_leads_to_a_file_and_a_place_in_it(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page

        assert file.exists(), target
        assert not anchor or anchor in anchors(file.read_text(encoding="utf-8")), target


def anchors(text: str) -> set[str]:
    """As GitHub makes them of headings, and those that are written out."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    made = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    return made | set(re.findall(r'<a id="([^"]+)">', text))


@pages
def test_every_path_of_the_repository_that_is_named_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = re.findall(r"`((?:shared|lambdas|glue_jobs|infra|scripts|tests|docs)/[\w./-]*)`", text)
    started = re.findall(r"^\./(scripts/\w+)", text, re.MULTILINE)
    modules = [module.replace(".", "/") for module in re.findall(r"python -m ([\w.]+)", text)]

    for path in [*named, *started]:
        assert (ROOT / path).exists(), path
    for module in modules:
        assert (ROOT / f"{module}.py").exists() or (ROOT / module / "__main__.py").exists(), module


@pages
def test_every_command_line_is_one_that_the_cli_takes(page: Path) -> None:
    for line in command_lines(page.read_text(encoding="utf-8")):
        parse(shlex.split(line))


def command_lines(text: str) -> Iterator[str]:
    """What follows ``scripts/pousada``, in code blocks and in running text, up to the line's or the code's end."""
    for match in re.finditer(r"scripts/pousada ([-a-z][^\n`|;]*)", text.replace("\\\n", " ")):
        yield match[1]


def parse(words_: list[str]) -> None:
    """Raises what the command line itself would say of them."""
    command: Any = typer.main.get_command(app)
    context = command.context_class(command)
    while hasattr(command, "commands"):
        _, words_, _ = command.make_parser(context).parse_args(words_)
        if not words_:
            return
        name, *words_ = words_
        assert name in command.commands, f"no command {name}"
        command = command.commands[name]
        context = command.context_class(command, parent=context)
    if "--help" not in words_:
        command.make_parser(context).parse_args(words_)


def test_a_command_line_with_an_unknown_option_would_be_found() -> None:
    with pytest.raises(Exception, match="No such option"):
        parse(["poll", "--hotel", "PT-LIS-001"])


# What the AWS command line itself takes, beside what an operation of the API does.
AWS_CLI_OPTIONS = {"output", "query", "region", "cli-binary-format"}
AWS_CLI_OPERATIONS = {"wait", "validate-logs"}
"""Made of several calls by the command line itself."""
AWS_CLI_NAMES = {"deploy": "codedeploy", "s3api": "s3"}


@pages
def test_every_line_for_the_aws_command_line_is_one_that_aws_takes(page: Path) -> None:
    for service, operation, options in aws_lines(page.read_text(encoding="utf-8")):
        if operation in AWS_CLI_OPERATIONS:
            continue
        model = described(AWS_CLI_NAMES.get(service, service))
        operations = {xform_name(name, "-"): name for name in model.operation_names}
        assert operation in operations, f"aws {service} {operation}"
        shape = model.operation_model(operations[operation]).input_shape
        taken = {xform_name(name, "-") for name in shape.members} if shape else set()
        assert options - taken - AWS_CLI_OPTIONS == set(), f"aws {service} {operation}"


def aws_lines(text: str) -> Iterator[tuple[str, str, set[str]]]:
    """Service, operation, and the options' names without ``--`` and ``--no-``; of code blocks and of running text."""
    blocks = re.findall(r"^ *```sh\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    spans = re.findall(r"`([^`]+)`", re.sub(r"^ *```.*?^ *```", "", text, flags=re.MULTILINE | re.DOTALL))
    for line in [*lines, *(span.replace("\n", " ") for span in spans)]:
        bare = re.sub(r"'[^']*'|\"[^\"]*\"", "VALUE", line).partition(" | ")[0]
        for service, operation, rest in re.findall(r"\baws ([a-z][a-z0-9]*) ([a-z][-a-z0-9]*)(.*)", bare):
            if service != "s3":  # whose commands are the command line's own
                yield service, operation, set(re.findall(r" --(?:no-)?([a-z][-a-z0-9]*)", rest))


@cache
def described(service: str) -> ServiceModel:
    """As AWS tells botocore."""
    return ServiceModel(Loader().load_service_model(service, "service-2"))


def test_an_option_that_aws_does_not_take_would_be_found() -> None:
    ((service, operation, options),) = aws_lines("`aws lambda update-alias --alias live`")

    assert (service, operation) == ("lambda", "update-alias")
    shape = described("lambda").operation_model("UpdateAlias").input_shape
    assert options - {xform_name(name, "-") for name in shape.members} == {"alias"}


@pages
def test_a_deployment_of_several_stacks_at_once_asks_for_no_approval(page: Path) -> None:
    """The CDK would ask nobody, and end."""
    for line in page.read_text(encoding="utf-8").replace("\\\n", " ").splitlines():
        if "cdk deploy" in line and "--concurrency" in line:
            assert "--require-approval never" in line, line


# -- README ----------------------------------------------------------------------------------------


def test_the_readme_says_where_things_are() -> None:
    tree = re.search(r"```text\n(.+?)```", README, re.DOTALL)
    assert tree

    for line in tree[1].splitlines():
        for path in re.split(r"  +", line.strip())[0].split(", "):
            assert (ROOT / path.split(" ")[0]).exists(), line


def test_the_readme_names_the_bars_of_its_figures() -> None:
    figures = {coded(row[0])[0]: row[2] for row in table_below(README, "## Figures")}
    bars = {name: str(bar) for bars in BARS.values() for name, bar in bars.items() if name in figures}

    assert len(bars) >= 3
    assert {name: figures[name] for name in bars} == bars


@pytest.mark.parametrize("benchmark", BARS)
def test_the_performance_page_names_every_bar_of_the_benchmarks(benchmark) -> None:
    page = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    figures = {coded(row[0])[0]: row[2] for row in table_below(page, f"### {benchmark}")}
    bars = {name: str(bar) for name, bar in BARS[benchmark].items()}

    assert {name: figures.get(name) for name in bars} == bars


# -- Tables and queries ----------------------------------------------------------------------------


def test_the_tables_page_is_what_the_model_says() -> None:
    assert documentation.PAGE.read_text(encoding="utf-8") == documentation.page(), (
        "run: python -m scripts.documentation"
    )


def test_a_whole_number_without_a_unit_is_not_passed_over() -> None:
    column = Column(name="pets", kind=int, nullable=True, description="Pets.", in_lake=True)

    with pytest.raises(KeyError, match="pets"):
        documentation._unit(column)


def test_the_partition_columns_are_those_of_a_parquet_files_path() -> None:
    key = parquet_key("booking", "hostpms", "batch", datetime(2026, 3, 1, tzinfo=UTC), 0)
    partitions = [segment.partition("=")[0] for segment in key.split("/") if "=" in segment]

    assert [coded(row[0])[0] for row in table_below(documentation.page(), "## In the lake")] == partitions


def test_every_saved_query_is_listed() -> None:
    folder = ROOT / "docs" / "queries"
    listed = re.findall(r"\((\w+\.sql)\)", (folder / "README.md").read_text(encoding="utf-8"))

    assert sorted(listed) == sorted(path.name for path in folder.glob("*.sql"))


# -- Runbook ---------------------------------------------------------------------------------------

WARNINGS_OF_MAPPINGS = {"unknown_word", "country_unknown"}


def reasons_in_code() -> set[str]:
    """Every ``reason="…"`` of an error, and those of the vendors' own shorthand for it."""
    found: set[str] = set()
    for tree in sources("shared", "lambdas", "glue_jobs"):
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            given = [keyword.value for keyword in call.keywords if keyword.arg == "reason"]
            if isinstance(call.func, ast.Name) and call.func.id == "_unauthenticated":
                given += call.args
            found |= {node.value for node in given if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return found


def test_the_runbook_has_every_reason_of_a_refusal() -> None:
    assert {"wrong_signature", "unknown_property", "malformed_field"} <= reasons_in_code()
    assert {reason for reason in reasons_in_code() if f"`{reason}`" not in RUNBOOK} == set()


def test_the_runbook_has_every_rule_by_its_severity() -> None:
    refused = {row[0].strip("`") for row in table_below(RUNBOOK, "### Reasons of the quarantine")}
    warned = {row[0].strip("`") for row in table_below(RUNBOOK, "### Warnings")}

    assert {rule.name for rule in rules.RULES if rule.severity == "refuse"} - refused == set()
    assert {rule.name for rule in rules.RULES if rule.severity == "warn"} | WARNINGS_OF_MAPPINGS == warned


@pytest.mark.parametrize(
    "heading",
    ["### Reasons of refused deliveries", "### Reasons of the quarantine", "## Words that no table above has"],
)
def test_the_runbook_has_no_reason_that_is_gone(heading: str) -> None:
    known = reasons_in_code() | {rule.name for rule in rules.RULES}

    assert {row[0].strip("`") for row in table_below(RUNBOOK, heading)} - known == set()


def test_the_runbook_has_every_finding_of_the_audit_and_no_other() -> None:
    found = {row[0].strip("`") for row in table_below(RUNBOOK, "### Prove that nothing was lost")}

    assert found == set(get_args(audit.Kind))


@pytest.mark.parametrize("queue", [*Names("", "").queues, *map(Names("", "").function, ("dispatcher", "etl"))])
def test_the_runbook_has_a_section_for_every_dead_letter_queue(queue: str) -> None:
    assert f"dead-letters-{queue.strip('-')}" in anchors(RUNBOOK)


UNITS = {
    "Count": "count",
    "Milliseconds": "milliseconds",
    "Percent": "percent",
    "Bytes": "bytes",
    "None": "minutes",
}


def test_the_runbook_lists_every_metric_as_it_is_counted_and_no_other() -> None:
    dimensions: dict[tuple[str, str], set[frozenset[str]]] = {}
    for one in emitted():
        dimensions.setdefault((one.name, UNITS[one.unit]), set()).add(one.dimensions - {"service"})
    rows = [line.strip("|").split("|") for line in RUNBOOK.partition("\n## Metrics\n")[2].splitlines() if "| `" in line]
    listed = {(coded(row[0])[0], row[1].strip()): _dimensions(row[2].strip()) for row in rows if len(row) == 4}

    assert listed == dimensions


def _dimensions(cell: str) -> set[frozenset[str]]:
    if cell == "with and without vendor":
        return {frozenset(), frozenset({"vendor"})}
    return {frozenset(cell.split(", ")) - {""}}


def test_every_metric_that_the_code_names_was_counted_for_that() -> None:
    counted = {f"Delivery{result.capitalize()}" for result in get_args(Result)}
    for tree in sources("lambdas", "glue_jobs"):
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
            if name in ("add_metric", "_count", "_datum") and isinstance(call.args[0], ast.Constant):
                counted.add(str(call.args[0].value))

    assert {one.name for one in emitted()} == counted


# -- Local target ----------------------------------------------------------------------------------


def test_the_local_page_has_every_difference_from_aws_and_no_other() -> None:
    tree = ast.parse((ROOT / "infra" / "local_target.py").read_text(encoding="utf-8"))
    (target,) = [c for c in ast.walk(tree) if isinstance(c, ast.Call) and getattr(c.func, "id", "") == "Target"]
    exchanged = [keyword.arg for keyword in target.keywords]

    assert [coded(row[0])[0] for row in table_below(LOCAL, "## What differs from AWS")] == exchanged


# -- HostPMS ---------------------------------------------------------------------------------------


def test_the_hostpms_page_has_every_list() -> None:
    requests = " ".join(row[0] for row in table_below(HOSTPMS, "## API"))

    assert set(re.findall(r"/properties/\{id\}/(\w+)", requests)) == set(api.ENTITIES.values())


def test_the_hostpms_page_has_every_event_with_its_entity() -> None:
    rows = table_below(HOSTPMS, "## Webhooks")

    assert {coded(row[0])[0]: coded(row[2])[0] for row in rows} == dict(webhook.EVENTS)


def test_the_hostpms_page_has_every_status_that_means_something_of_its_own() -> None:
    rows = table_below(HOSTPMS, "### Limits and errors")
    alone = {int(row[0]) for row in rows if row[0].isdecimal()}
    of_the_token = {int(code) for row in rows if "/oauth/token" in row[0] for code in re.findall(r"\d{3}", row[0])}

    assert alone == set(statuses.OUTCOMES)
    assert of_the_token == set(statuses.TOKEN_OUTCOMES)


def test_the_hostpms_page_has_the_limits_that_hold() -> None:
    limits = HOSTPMS.partition("### Limits and errors")[2].partition("### What a poll reads")[0]

    assert f"{api.REQUESTS_A_MINUTE} requests a minute" in limits
    assert f"up to {api.PATIENCE:.0f} seconds" in limits
    assert {3: "three tries"}[api.TRIES] in limits
    assert {timedelta(minutes=5): "within five minutes"}[webhook.TOLERANCE] in HOSTPMS


def test_the_hostpms_pages_signed_example_verifies() -> None:
    (body,) = re.findall(r"<!-- signed body -->\n```json\n(.+)\n```", HOSTPMS)
    (timestamp,) = re.findall(r"^X-HostPMS-Timestamp: (\S+)$", HOSTPMS, re.MULTILINE)
    (signature,) = re.findall(r"^X-HostPMS-Signature: (\S+)$", HOSTPMS, re.MULTILINE)
    (secret,) = re.findall(r"The secret is `([^`]+)`", HOSTPMS)
    headers = {webhook.TIMESTAMP_HEADER: timestamp, webhook.SIGNATURE_HEADER: signature}
    signed_at = datetime.fromtimestamp(int(timestamp), UTC)

    assert webhook.verify(headers, body.encode(), [secret], signed_at).signed_at == signed_at
    with pytest.raises(Unauthenticated):
        webhook.verify(headers, body.encode() + b"\n", [secret], signed_at)
    # The command beside it signs the same.
    assert f"body='{body}'" in HOSTPMS
    assert f"'%s.%s' {timestamp} \"$body\" | openssl dgst -sha256 -hmac {secret}\n" in HOSTPMS


def test_the_hostpms_pages_reservation_becomes_rows_without_a_warning() -> None:
    (payload,) = re.findall(r"<<'END'\n(\{.+?\n\})\nEND", HOSTPMS, re.DOTALL)
    context = MappingContext.of(json.loads(payload)["property_id"], "Europe/Lisbon")

    rows = map_payload("hostpms", "booking", payload.encode(), context)

    assert [entity for entity, _ in rows] == ["booking", "guest"]
    assert not context.warned


@pytest.mark.parametrize(
    ("heading", "look_up", "table"),
    [
        ("### Booking status", words.status, words.STATUS),
        ("### Channel", words.channel, words.CHANNEL),
        ("### Room type", words.room_type, words.ROOM_TYPE),
        ("### Payment method", words.payment_method, words.PAYMENT_METHOD),
        ("### Payment status", words.payment_status, words.PAYMENT_STATUS),
        ("### Room status", words.room_status, words.ROOM_STATUS),
        ("### Loyalty tier", words.loyalty_tier, words.LOYALTY),
    ],
)
def test_the_hostpms_page_has_every_word_with_its_meaning(heading: str, look_up: Any, table: dict[str, str]) -> None:
    shown = {word: coded(row[0])[0] for row in table_below(HOSTPMS, heading) for word in row[1].split(", ")}

    assert {word: look_up(word) for word in shown} == shown
    assert {words.fold(word) for word in shown} == set(table)


@pytest.mark.parametrize(
    ("heading", "record"),
    [
        ("### Reservation", payloads.Reservation),
        ("### Guest", payloads.Guest),
        ("### Room", payloads.Room),
        ("### Payment", payloads.Payment),
    ],
)
def test_the_hostpms_page_has_every_field_of_a_record(heading: str, record: type[msgspec.Struct]) -> None:
    rows = table_below(HOSTPMS, heading)
    required = {coded(row[0])[0] for row in rows if row[2:] == ["required"]}

    assert {coded(row[0])[0] for row in rows} == {name for name, _ in fields_of(record)}
    assert required == {name for name, is_required in fields_of(record) if is_required}


def fields_of(record: type[msgspec.Struct], path: str = "") -> Iterator[tuple[str, bool]]:
    """Each field's dotted path, and whether a record must have it."""
    hints = get_type_hints(record)
    for field in msgspec.structs.fields(record):
        inner = _struct_in(hints[field.name])
        if inner is None:
            yield f"{path}{field.name}", field.required
        else:
            yield from fields_of(inner, f"{path}{field.name}.")


def _struct_in(hint: Any) -> type[msgspec.Struct] | None:
    arms = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    return next((arm for arm in arms if isinstance(arm, type) and issubclass(arm, msgspec.Struct)), None)
