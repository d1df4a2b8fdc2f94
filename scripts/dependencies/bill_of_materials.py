"""The inventory as a CycloneDX 1.6 bill of materials.

What the layer and the wheels hold is ``required``; the tools around it are ``excluded``, CycloneDX's word for what is
there to build and to test. The same inventory gives the same text: no time of making, and a serial number of the
content.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from uuid import NAMESPACE_OID, uuid5

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from cyclonedx.model.lifecycle import LifecyclePhase, PredefinedLifecycle
from cyclonedx.output.json import JsonV1Dot6

from scripts.dependencies.inventory import Dependency
from scripts.local.environment import ROOT

_ALGORITHMS = {"sha256": HashAlgorithm.SHA_256, "sha512": HashAlgorithm.SHA_512}
_LICENCES = LicenseFactory()
_SPREAD_HASH = re.compile(r'\{\s+("alg": "[^"]+"),\s+("content": "[^"]+")\s+\}')


def bill_of_materials(dependencies: Sequence[Dependency]) -> str:
    """The text of docs/dependencies.cdx.json."""
    components = {dependency: _component(dependency) for dependency in dependencies}
    ours = _ourselves()
    bom = Bom(
        serial_number=uuid5(NAMESPACE_OID, repr(dependencies)),
        metadata=BomMetaData(component=ours, lifecycles=[PredefinedLifecycle(phase=LifecyclePhase.PRE_BUILD)]),
        components=components.values(),
    )
    bom.metadata.timestamp = None  # type: ignore[assignment]  # else the time of making
    bom.register_dependency(ours, [component for dependency, component in components.items() if dependency.direct])
    for dependency, component in components.items():
        bom.register_dependency(
            component, [other for needed, other in components.items() if _needs(dependency, needed)]
        )
    # A line for each hash, of which a package with many wheels has a hundred.
    return _SPREAD_HASH.sub(r"{\1, \2}", JsonV1Dot6(bom).output_as_string(indent=2)) + "\n"


def _ourselves() -> Component:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return Component(
        name=project["name"], version=project["version"], type=ComponentType.APPLICATION, bom_ref=project["name"]
    )


def _component(dependency: Dependency) -> Component:
    purl = dependency.purl
    return Component(
        type=ComponentType.LIBRARY,
        bom_ref=purl.to_string(),
        group=purl.namespace,
        name=purl.name,
        version=purl.version,
        purl=purl,
        scope=ComponentScope.REQUIRED if dependency.deployed else ComponentScope.EXCLUDED,
        hashes=[HashType(alg=_ALGORITHMS[algorithm], content=digest) for algorithm, digest in dependency.hashes],
        licenses=[_LICENCES.make_from_string(dependency.licence)] if dependency.licence else [],
        properties=[Property(name="pousada:use", value=use) for use in dependency.uses],
    )


def _needs(dependency: Dependency, other: Dependency) -> bool:
    return dependency.purl.type == other.purl.type and dependency.purl.name in other.needed_by
