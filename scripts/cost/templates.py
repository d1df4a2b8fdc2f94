"""A stage's resources, as its synthesised templates have them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from scripts.local.environment import ROOT, tools
from shared.errors import Misconfigured

_OURS = "lambdas."
_LEFT_TO_CDK = ("AWS_", "CDK_", "POUSADA_")


@dataclass(frozen=True, slots=True)
class Resource:
    """One of a template. A value may be a reference (an object): what is read as a number or a text is checked."""

    type: str
    id: str
    """Logical, with its stack's: for messages."""
    properties: Mapping[str, Any]

    def number(self, name: str, default: float | None = None) -> float:
        """Raises Misconfigured where there is no number, and no default."""
        value = self.properties.get(name, default)
        try:
            return float(value)
        except (TypeError, ValueError):
            raise Misconfigured(f"{self.id}: {name} is no number", fix="give it a literal value") from None

    def text(self, name: str, default: str = "") -> str:
        value = self.properties.get(name, default)
        return value if isinstance(value, str) else default

    def yes(self, name: str) -> bool:
        return str(self.properties.get(name, False)).lower() == "true"

    def variable(self, name: str, default: str = "") -> str:
        """Of a function's environment."""
        value = self.properties.get("Environment", {}).get("Variables", {}).get(name, default)
        return value if isinstance(value, str) else default


@dataclass(frozen=True, slots=True)
class Function:
    """A deployed function of ``lambdas/<folder>/``."""

    folder: str
    memory_mib: float
    traced: bool

    @property
    def gb(self) -> float:
        return self.memory_mib / 1024

    @property
    def slowness(self) -> float:
        """How much longer than a whole processor, which 1,769 MiB give, its share of one takes."""
        return max(1.0, 1769 / self.memory_mib)


class Resources:
    """All resources of a stage, from its templates."""

    def __init__(self, resources: Iterable[Resource]) -> None:
        self._all = tuple(resources)

    @classmethod
    def of_templates(cls, templates: Iterable[Mapping[str, Any]]) -> Resources:
        return cls(
            Resource(found["Type"], id, found.get("Properties", {}))
            for template in templates
            for id, found in template["Resources"].items()
        )

    def __iter__(self) -> Iterator[Resource]:
        return iter(self._all)

    def of(self, *types: str) -> list[Resource]:
        return [resource for resource in self._all if resource.type in types]

    def without(self, *types: str) -> Resources:
        """The same stage without the resources of ``types``."""
        return Resources(it for it in self if it.type not in types)

    def plus(self, *resources: Resource) -> Resources:
        """The same stage with ``resources`` besides."""
        return Resources([*self, *resources])

    def told(self, name: str, value: str) -> Resources:
        """The same stage, with another value of the variable ``name`` for each function that has it."""
        return Resources(_told(it, name, value) if it.variable(name) else it for it in self)

    def replaced(self, type: str, **properties: Any) -> Resources:
        """The same stage, each resource of ``type`` with other ``properties``."""
        return Resources(
            Resource(it.type, it.id, {**it.properties, **properties}) if it.type == type else it for it in self
        )

    @property
    def functions(self) -> list[Function]:
        """Ours; CDK's own helpers, which run during a deployment, are no part of a month."""
        handlers = ((it, it.text("Handler")) for it in self.of("AWS::Lambda::Function"))
        return [_function(it, handler) for it, handler in handlers if handler.startswith(_OURS)]

    def variables(self, name: str) -> list[str]:
        """What functions are told by the variable ``name``."""
        return [value for it in self.of("AWS::Lambda::Function") if (value := it.variable(name))]

    @property
    def zones(self) -> int:
        """The network's."""
        return len({json.dumps(it.properties.get("AvailabilityZone")) for it in self.of("AWS::EC2::Subnet")})


def _told(resource: Resource, name: str, value: str) -> Resource:
    variables = {**resource.properties["Environment"]["Variables"], name: value}
    return Resource(resource.type, resource.id, {**resource.properties, "Environment": {"Variables": variables}})


def _function(resource: Resource, handler: str) -> Function:
    traced = resource.properties.get("TracingConfig", {}).get("Mode") == "Active"
    return Function(handler.split(".")[1], resource.number("MemorySize", 128), traced)


def of_assembly(folder: Path, stage: str) -> Resources:
    """What ``cdk synth`` left in ``folder`` (``cdk.out``) for ``stage``. Raises Misconfigured where there is none."""
    files = sorted((folder / f"assembly-{stage}").glob("*.template.json"))
    if not files:
        raise Misconfigured(
            f"{folder} has no templates of the stage {stage}", fix="scripts/pousada cost without --from"
        )
    return Resources.of_templates(json.loads(file.read_bytes()) for file in files)


def synthesised(stage: str) -> Resources:
    """Synthesises ``stage`` by app.py, which takes some seconds, and no credentials. Raises Misconfigured."""
    context = json.loads((ROOT / "cdk.json").read_bytes())["context"]
    # A stage elsewhere in the environment, or credentials, must not change what is reckoned with.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(_LEFT_TO_CDK)}
    environment |= tools() | {"PYTHONPATH": str(ROOT), "CDK_CONTEXT_JSON": json.dumps({**context, "stages": stage})}
    with TemporaryDirectory() as folder:
        command = [sys.executable, "app.py"]
        done = subprocess.run(
            command, cwd=ROOT, env={**environment, "CDK_OUTDIR": folder}, capture_output=True, text=True, check=False
        )
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no word"])[-1]
            raise Misconfigured(f"the stage {stage} could not be synthesised: {last}", fix="cdk synth shows all of it")
        return of_assembly(Path(folder), stage)
