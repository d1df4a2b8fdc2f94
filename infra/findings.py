"""What cdk-nag finds in the stages, and what is acknowledged or skipped there, and why.

``python -m infra.findings`` prints those of every stage on AWS as JSON, for scripts/scan:
``{"constructs": how many were looked at, "findings": [{"rule", "where", "what"}]}``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import aws_cdk as cdk
from cdk_nag import AwsSolutionsChecks, NagPack, ServerlessChecks
from constructs import IConstruct

from infra.paths import ROOT
from infra.stage import PousadaStage, add_stages

# What CDK puts before the rule of a plugin that does not name itself.
_ANNOTATION = "Annotation::"
PACKS: tuple[type[NagPack], ...] = (AwsSolutionsChecks, ServerlessChecks)


@dataclass(frozen=True)
class Finding:
    """A rule that a construct breaks. ``where``: its path in the app; ``what``: the rule, in words."""

    rule: str
    where: str
    what: str


@dataclass(frozen=True)
class Accepted:
    """A finding that stands. ``rule``: cdk-nag's or checkov's; ``where``: the construct's path below the stage."""

    rule: str
    where: str
    reason: str


def find(scope: IConstruct) -> list[Finding]:
    """What either pack finds at or below ``scope`` that is not acknowledged."""
    return [
        Finding(violation.rule_name, resource.construct_path or "", violation.description)
        for pack in PACKS
        for violation in pack().validate_scope(scope).violations
        for resource in violation.violating_resources
    ]


def accepted(stage: cdk.Stage) -> Iterator[Accepted]:
    """By construct, in the order of the tree."""
    key = cdk.Validations.ACKNOWLEDGED_RULES_METADATA_KEY
    for construct in stage.node.find_all():
        where = construct.node.path.removeprefix(f"{stage.node.path}/")
        for entry in construct.node.metadata:
            if entry.type == key:
                for rule, reason in entry.data.items():
                    yield Accepted(rule.removeprefix(_ANNOTATION), where, reason)
        if isinstance(construct, cdk.CfnResource):
            skipped = construct.get_metadata("checkov") or {"skip": []}
            yield from (Accepted(one["id"], where, one["comment"]) for one in skipped["skip"])


def configured_stages(outdir: Path) -> tuple[PousadaStage, ...]:
    """The stages of cdk.json, as ``cdk`` would make them."""
    context = json.loads((ROOT / "cdk.json").read_text(encoding="utf-8"))["context"]
    return add_stages(cdk.App(context=context, outdir=str(outdir)))


def main() -> None:
    with TemporaryDirectory(prefix="pousada-nag-") as folder:
        stages = [stage for stage in configured_stages(Path(folder)) if stage.config.target == "aws"]
        constructs = sum(len(stage.node.find_all()) for stage in stages)
        found = [asdict(finding) for stage in stages for finding in find(stage)]
        print(json.dumps({"constructs": constructs, "findings": found}))


if __name__ == "__main__":
    main()
