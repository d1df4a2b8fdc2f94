"""Every policy of the synthesised templates, its references resolved to the ARNs that they will be.

Read from whatever is there: a document is found by its shape, in whichever property of whichever type it stands. What
cannot be resolved stands as ``<…>``, so that no wildcard comes of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.infra.templates import Synthesised

ACCOUNT = "111122223333"

Kind = Literal["identity", "resource", "trust", "boundary"]
"""A boundary allows nobody anything: it says how far what others allow may reach, as a VPC endpoint's policy does."""
Templates = Mapping[str, Mapping[str, Any]]

# Resources whose ARN is not arn:aws:{service}:{region}:{account}:{name}.
_ARNS = {
    "AWS::S3::Bucket": "arn:aws:s3:::{name}",
    "AWS::DynamoDB::Table": "arn:aws:dynamodb:{region}:{account}:table/{name}",
    "AWS::DynamoDB::GlobalTable": "arn:aws:dynamodb:{region}:{account}:table/{name}",
    "AWS::KMS::Key": "arn:aws:kms:{region}:{account}:key/{name}",
    "AWS::Lambda::Function": "arn:aws:lambda:{region}:{account}:function:{name}",
    "AWS::SecretsManager::Secret": "arn:aws:secretsmanager:{region}:{account}:secret:{name}-AbCdEf",
    "AWS::Logs::LogGroup": "arn:aws:logs:{region}:{account}:log-group:{name}:*",
    "AWS::IAM::Role": "arn:aws:iam::{account}:role/{name}",
    "AWS::IAM::ManagedPolicy": "arn:aws:iam::{account}:policy/{name}",
}
_NAMES = ("BucketName", "TableName", "QueueName", "TopicName", "FunctionName", "LogGroupName", "RoleName", "Name")
_BOUNDARIES = {"AWS::EC2::VPCEndpoint"}
_WITHOUT_A_DOCUMENT = {"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*", "Principal": "*"}}
"""What AWS takes a boundary to say that says nothing."""
_ARN_ATTRIBUTES = {"Arn", "TopicArn", "QueueArn", "TableArn", "DBProxyArn", "DBInstanceArn", "BackupVaultArn"}
_REF_IS_ARN = {"AWS::SNS::Topic", "AWS::SecretsManager::Secret", "AWS::IAM::ManagedPolicy"}


@dataclass(frozen=True)
class Statement:
    """One statement. ``holder``: whose it is, a role's or a guarded resource's; ``where``: stack and logical id."""

    kind: Kind
    holder: str
    where: str
    guarded: str
    """The type of the resource that a policy of kind ``resource`` guards or is; else the policy's own type."""
    effect: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    principals: tuple[tuple[str, str], ...] = ()
    conditions: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    inverted: bool = False
    """It says ``NotAction``, ``NotResource`` or ``NotPrincipal``: everything but."""

    def __str__(self) -> str:
        return f"{self.holder} ({self.where}): {self.effect} {', '.join(self.actions)} on {', '.join(self.resources)}"

    def condition(self, key: str) -> list[tuple[str, str]]:
        """Operator and value of each condition on ``key``."""
        return [
            (operator, value)
            for operator, keys in self.conditions.items()
            for name, values in keys.items()
            for value in values
            if name.lower() == key.lower()
        ]


@dataclass(frozen=True)
class Permission:
    """One ``AWS::Lambda::Permission``."""

    where: str
    properties: Mapping[str, Any]


@dataclass(frozen=True)
class Policies:
    """What a set of templates allows and denies, to whom."""

    statements: tuple[Statement, ...]
    permissions: tuple[Permission, ...]
    managed: tuple[tuple[str, str], ...]
    """A role and the ARN of a policy of AWS's own that it has."""
    prefix: str = ""
    """Of every resource's name: ``pousada-prod-eu-west-1-``."""

    def of(self, kind: Kind, effect: str = "Allow") -> Iterator[Statement]:
        return (s for s in self.statements if s.kind == kind and s.effect == effect)

    @property
    def path(self) -> str:
        """``pousada-prod-eu-west-1-`` → ``pousada/prod-eu-west-1``: of metrics and secrets."""
        prefix, _, stage = self.prefix.rstrip("-").partition("-")
        return f"{prefix}/{stage}"

    def holders(self) -> set[str]:
        return {s.holder for s in self.of("identity")}


def read(stage: Synthesised) -> Policies:
    here = references(stage).policies()
    if not stage.elsewhere:
        return here
    there = References(stage.elsewhere, str(stage.config.recovery.copy_to_region), here.prefix).policies()
    return Policies(
        here.statements + there.statements,
        here.permissions + there.permissions,
        here.managed + there.managed,
        here.prefix,
    )


def references(stage: Synthesised) -> References:
    """What the references of its templates will be."""
    return References(stage.templates, stage.config.region, stage.config.names.named(""))


def read_templates(templates: Templates, region: str = "eu-west-1", prefix: str = "") -> Policies:
    return References(templates, region, prefix).policies()


class References:
    """Templates whose references are told as the names and ARNs that they will be."""

    def __init__(self, templates: Templates, region: str, prefix: str) -> None:
        self._templates, self._region, self._prefix = templates, region, prefix
        self._exports = {
            self.text(output["Export"]["Name"], stack): (output["Value"], stack)
            for stack, template in templates.items()
            for output in template.get("Outputs", {}).values()
            if "Export" in output
        }
        self._users = dict(self._users_of_roles())
        self._aliases = {
            self._target(properties["TargetKeyId"], stack): str(properties["AliasName"]).removeprefix("alias/")
            for stack, _, kind, properties in self.resources()
            if kind == "AWS::KMS::Alias"
        }

    def policies(self) -> Policies:
        statements = [s for one in self.resources() for s in self._statements(*one)]
        permissions = [
            Permission(f"{stack}/{id}", {name: self.text(value, stack) for name, value in properties.items()})
            for stack, id, kind, properties in self.resources()
            if kind == "AWS::Lambda::Permission"
        ]
        managed = [
            (self._holder(f"{stack}/{id}"), arn)
            for stack, id, _, properties in self.resources()
            for arn in (self.text(one, stack) for one in properties.get("ManagedPolicyArns", ()))
            if arn.startswith("arn:aws:iam::aws:")
        ]
        return Policies(tuple(statements), tuple(permissions), tuple(managed), self._prefix)

    def resources(self) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
        """Stack, logical id, type and properties."""
        for stack, template in self._templates.items():
            for id, resource in template.get("Resources", {}).items():
                yield stack, id, resource["Type"], resource.get("Properties", {})

    # -- Statements ----------------------------------------------------------------------------
    def _statements(self, stack: str, id: str, kind: str, properties: dict[str, Any]) -> Iterator[Statement]:
        documents = list(self._documents(properties, stack, ()))
        if kind in _BOUNDARIES and not documents:
            documents = [((), _WITHOUT_A_DOCUMENT)]
        for path, document in documents:
            said = document["Statement"]
            for statement in said if isinstance(said, list) else [said]:
                for holder in self._holders(stack, id, kind, properties):
                    yield self._statement(statement, stack, id, kind, path, holder)

    def _documents(self, value: Any, stack: str, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
        """Every policy document within ``value``, also one written as text."""
        if isinstance(value, dict):
            if _is_document(value):
                yield path, value
            elif "Fn::Join" in value and (written := _parsed(self.text(value, stack))):
                yield path, written
            else:
                for name, inner in value.items():
                    yield from self._documents(inner, stack, (*path, name))
        elif isinstance(value, list):
            for inner in value:
                yield from self._documents(inner, stack, path)
        elif isinstance(value, str) and (written := _parsed(value)):
            yield path, written

    def _statement(
        self, said: Mapping[str, Any], stack: str, id: str, kind: str, path: tuple[str, ...], holder: str
    ) -> Statement:
        of: Kind = "resource"
        if "AssumeRolePolicyDocument" in path:
            of = "trust"
        elif kind in _BOUNDARIES:
            of = "boundary"
        elif kind.startswith("AWS::IAM::"):
            of = "identity"
        return Statement(
            kind=of,
            holder=holder,
            where=f"{stack}/{id}",
            guarded=kind,
            effect=said["Effect"],
            actions=self.texts(said.get("Action", said.get("NotAction", ())), stack),
            resources=self._resources(said.get("Resource", said.get("NotResource", ())), stack, id, kind),
            principals=self._principals(said.get("Principal", said.get("NotPrincipal", {})), stack),
            conditions={
                operator: {key: self.texts(values, stack) for key, values in keys.items()}
                for operator, keys in said.get("Condition", {}).items()
            },
            inverted=any(name in said for name in ("NotAction", "NotResource", "NotPrincipal")),
        )

    def _resources(self, said: Any, stack: str, id: str, kind: str) -> tuple[str, ...]:
        """In a key's policy ``*`` is that key, and no ARN may stand there instead."""
        named = self.texts(said, stack)
        return (self._arn(stack, id),) if kind == "AWS::KMS::Key" and named == ("*",) else named

    def _principals(self, said: Any, stack: str) -> tuple[tuple[str, str], ...]:
        if isinstance(said, str):
            return (("*", said),)
        return tuple((kind, text) for kind, values in said.items() for text in self.texts(values, stack))

    # -- Holders -------------------------------------------------------------------------------
    def _holders(self, stack: str, id: str, kind: str, properties: dict[str, Any]) -> list[str]:
        """Who holds what a document of this resource allows."""
        roles = [self._target(role, stack) for role in properties.get("Roles", ())]
        return [self._holder(role) for role in roles] or [self._holder(f"{stack}/{id}")]

    def _holder(self, role: str) -> str:
        return self._users.get(role, role)

    def _users_of_roles(self) -> Iterator[tuple[str, str]]:
        """Role → what runs under it: ``function webhook``, ``job etl``, ``schedule poll``. The prefix is left out."""
        for stack, id, kind, properties in self.resources():
            if not kind.startswith("AWS::IAM::"):
                given = next((properties[name] for name in _NAMES if isinstance(properties.get(name), str)), id)
                user = f"{kind.rpartition('::')[2].lower()} {given.removeprefix(self._prefix)}"
                for role in set(_referred(properties)):
                    if self._templates[stack]["Resources"].get(role, {}).get("Type") == "AWS::IAM::Role":
                        yield f"{stack}/{role}", user

    def _target(self, reference: Any, stack: str) -> str:
        """``stack/logical id`` of what is referred to."""
        match reference:
            case {"Ref": id} | {"Fn::GetAtt": [id, _]}:
                return f"{stack}/{id}"
            case {"Fn::ImportValue": name} if self.text(name, stack) in self._exports:
                return self._target(*self._exports[self.text(name, stack)])
            case _:
                return self.text(reference, stack)

    # -- References ----------------------------------------------------------------------------
    def texts(self, value: Any, stack: str) -> tuple[str, ...]:
        many = value if isinstance(value, list | tuple) else [value]
        return tuple(self.text(one, stack) for one in many)

    def text(self, value: Any, stack: str) -> str:
        match value:
            case str():
                return value
            case {"Fn::Join": [separator, parts]}:
                return str(separator).join(self.text(part, stack) for part in parts)
            case {"Ref": str(name)}:
                return self._ref(name, stack)
            case {"Fn::GetAtt": [str(id), str(attribute)]}:
                return self._arn(stack, id) if attribute in _ARN_ATTRIBUTES else f"<{id}.{attribute}>"
            case {"Fn::ImportValue": name} if self.text(name, stack) in self._exports:
                return self.text(*self._exports[self.text(name, stack)])
            case {"Fn::Sub": str(text)}:
                return re.sub(r"\$\{([^!.}]+)\}", lambda found: self._ref(found[1], stack), text)
            case _:
                return f"<{json.dumps(value, sort_keys=True)}>"

    def _ref(self, name: str, stack: str) -> str:
        pseudo = {"AWS::Partition": "aws", "AWS::AccountId": ACCOUNT, "AWS::Region": self._region}
        if name in pseudo:
            return pseudo[name]
        resource = self._templates[stack].get("Resources", {}).get(name)
        if resource is None:
            return f"<{name}>"
        return self._arn(stack, name) if resource["Type"] in _REF_IS_ARN else self._name(stack, name)

    def _arn(self, stack: str, id: str) -> str:
        kind = self._templates[stack]["Resources"][id]["Type"]
        service = kind.split("::")[1].lower()
        pattern = _ARNS.get(kind, f"arn:aws:{service}:{{region}}:{{account}}:{{name}}")
        return pattern.format(region=self._region, account=ACCOUNT, name=self._name(stack, id))

    def _name(self, stack: str, id: str) -> str:
        """What the resource will be called; a key by its alias."""
        properties = self._templates[stack]["Resources"][id].get("Properties", {})
        given = next((properties[name] for name in _NAMES if name in properties), None)
        # Asked for while the aliases are read, there are none yet.
        alias = getattr(self, "_aliases", {}).get(f"{stack}/{id}")
        return alias or (self.text(given, stack) if given is not None else f"<{id}>")


def _is_document(value: Mapping[str, Any]) -> bool:
    said = value.get("Statement")
    first = said[0] if isinstance(said, list) and said else said
    return isinstance(first, dict) and "Effect" in first


def _referred(value: Any) -> Iterator[str]:
    """The logical ids that ``value`` refers to."""
    match value:
        case {"Ref": str(id)} | {"Fn::GetAtt": [str(id), _]}:
            yield id
        case dict():
            for inner in value.values():
                yield from _referred(inner)
        case list():
            for inner in value:
                yield from _referred(inner)


def _parsed(text: str) -> Any:
    """A policy written as JSON, as a log group's is; None for any other text."""
    if '"Statement"' not in text:
        return None
    document = json.loads(text)
    return document if _is_document(document) else None
