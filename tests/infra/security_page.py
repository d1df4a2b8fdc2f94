"""The tables of docs/security.md, from what prod-eu-west-1 synthesises: ``python -m tests.infra.security_page``.

It rewrites what stands between the page's markers. A test holds the page to it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from infra.findings import Accepted, accepted
from tests.infra.policies import ACCOUNT, Policies, Statement, read, references
from tests.infra.templates import REPOSITORY, Synthesised, synthesise

PAGE = REPOSITORY / "docs" / "security.md"
STAGE = "prod-eu-west-1"

# What every function may do, and says nothing of this one.
_TELEMETRY = ("xray:", "logs:CreateLogStream", "logs:PutLogEvents")
# What keeps something, and would be named here if it had no key of ours.
_KEEPS = {
    *("AWS::S3::Bucket", "AWS::DynamoDB::Table", "AWS::SQS::Queue", "AWS::SNS::Topic", "AWS::Logs::LogGroup"),
    *("AWS::RDS::DBInstance", "AWS::RDS::DBCluster", "AWS::SecretsManager::Secret", "AWS::Backup::BackupVault"),
    *("AWS::CloudTrail::Trail", "AWS::Athena::WorkGroup", "AWS::Glue::SecurityConfiguration"),
}
_KEY = re.compile(r"kms|encryptionkey", re.IGNORECASE)
_NAMED_AT_MOST = 6


def rewritten(page: str, stage: Synthesised) -> str:
    """The page with its tables as ``stage`` has them."""
    for marker, table in {"roles": roles(stage), "keys": keys(stage), "accepted": accepted_findings(stage)}.items():
        opening, closing = f"<!-- {marker} -->", f"<!-- end of {marker} -->"
        before, found, rest = page.partition(opening)
        _, ended, after = rest.partition(closing)
        if not (found and ended):
            raise ValueError(f"docs/security.md has no {opening} … {closing}")
        page = f"{before}{opening}\n{table}\n{closing}{after}"
    return page


# -- Who may do what -------------------------------------------------------------------------------


def roles(stage: Synthesised) -> str:
    """One row for each role: what it may do on what, telemetry left out."""
    policies = read(stage)
    may: dict[str, list[str]] = defaultdict(list)
    for statement in policies.of("identity"):
        more = [] if statement.actions[0].startswith(_TELEMETRY) else [_shown(statement, policies)]
        may[statement.holder] += more
    rows = ((holder, "; ".join(sorted(set(said))) or "nothing") for holder, said in sorted(may.items()))
    return _table(("who", "may, beside logging and tracing"), rows)


def _shown(statement: Statement, policies: Policies) -> str:
    verbs: dict[str, list[str]] = defaultdict(list)
    for action in statement.actions:
        service, _, verb = action.partition(":")
        verbs[service].append(verb)
    actions = ", ".join(f"{service}:{'/'.join(sorted(names))}" for service, names in sorted(verbs.items()))
    places = sorted({_short(resource, policies.prefix) for resource in statement.resources})
    return f"`{actions}` on {', '.join(f'`{place}`' for place in places)}"


def _short(resource: str, prefix: str) -> str:
    """Without account, region and the stage's prefix; a bucket of assets without its account."""
    name = resource.split(":", 5)[-1].replace(prefix, "").removesuffix("-??????")
    # An asset is called by the hash of what is in it.
    return re.sub(r"<.*>|[0-9a-f]{64}", "…", name.replace(ACCOUNT, "…"))


# -- What is encrypted with what -------------------------------------------------------------------


def keys(stage: Synthesised) -> str:
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for stack, id, kind, properties in references(stage).resources():
        named = sorted(set(_keys_in(properties, stage, stack)))
        if named or kind in _KEEPS:
            found[kind, ", ".join(named)].append(_name(properties, id, stage))
    rows = (
        (f"`{kind}`", _listed(names), f"`{key}`" if key else "the service's own key")
        for (kind, key), names in sorted(found.items())
        if kind not in ("AWS::KMS::Alias", "AWS::IAM::Policy")
    )
    return _table(("type", "which", "encrypted with the key"), rows)


def _keys_in(value: Any, stage: Synthesised, stack: str) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            if _KEY.search(name):
                text = references(stage).text(inner, stack)
                yield from re.findall(rf":key/{stage.config.names.named('')}([\w-]+)$", text)
            yield from _keys_in(inner, stage, stack)
    elif isinstance(value, list):
        for inner in value:
            yield from _keys_in(inner, stage, stack)


def _name(properties: dict[str, Any], id: str, stage: Synthesised) -> str:
    given = (value for name, value in properties.items() if name.endswith("Name") and isinstance(value, str))
    return next(given, id).replace(stage.config.names.named(""), "")


def _listed(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names)) if len(names) <= _NAMED_AT_MOST else f"all {len(names)}"


# -- What is accepted ------------------------------------------------------------------------------


def accepted_findings(stage: Synthesised) -> str:
    """One row for each rule and reason. A wildcard's rule is one, whatever the ARN that it stands in."""
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for one in accepted(stage.stage):
        found[one.rule.partition("[")[0], one.reason].add(_place(one))
    rows = ((f"`{rule}`", _listed(list(where)), reason) for (rule, reason), where in sorted(found.items()))
    return _table(("rule", "where", "why it stands"), rows)


def _place(one: Accepted) -> str:
    return one.where.removesuffix("/Resource")


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    with TemporaryDirectory(prefix="pousada-page-") as folder:
        stage = synthesise(Path(folder), stages=STAGE)[STAGE]
        PAGE.write_text(rewritten(PAGE.read_text(encoding="utf-8"), stage), encoding="utf-8")


if __name__ == "__main__":
    main()
