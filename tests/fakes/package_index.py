"""A package index in a folder, with tiny wheels, and locks that are true to them until a wheel is exchanged."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path

import pytest


class PackageIndex:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def lead(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """pip and uv to it, and to nothing else, whatever a machine has told them."""
        url = (self._folder / "simple").as_uri()
        for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
            monkeypatch.delenv(name)
        settings = {
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_INDEX_URL": url,
            "PIP_NO_CACHE_DIR": "1",
            "UV_NO_CONFIG": "1",
            "UV_DEFAULT_INDEX": url,
            "UV_CACHE_DIR": str(self._folder / "uv"),
        }
        for name, value in settings.items():
            monkeypatch.setenv(name, value)

    def publish(self, name: str, *, needs: Sequence[str] = (), content: str = "") -> None:
        """Version 1.0 of ``name``, a module of ``content``; published again, it takes the former's place."""
        wheel = self._wheel(name)
        wheel.parent.mkdir(parents=True, exist_ok=True)
        information = f"{name}-1.0.dist-info"
        metadata = ["Metadata-Version: 2.1", f"Name: {name}", "Version: 1.0", *(f"Requires-Dist: {it}" for it in needs)]
        files = {
            f"{name}.py": content,
            f"{information}/METADATA": "\n".join(metadata) + "\n",
            f"{information}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        record = "".join(f"{file},,\n" for file in [*files, f"{information}/RECORD"])
        with zipfile.ZipFile(wheel, "w") as archive:
            for file, text in {**files, f"{information}/RECORD": record}.items():
                archive.writestr(file, text)
        (wheel.parent / "index.html").write_text(f'<a href="{wheel.name}">{wheel.name}</a>')

    def lock(self, asked_for: Mapping[str, str]) -> Path:
        """A lock of the published packages ``asked_for``, each with who asks for it."""
        path = self._folder / "requirements.lock"
        path.write_text("".join(self._stanza(name, asker) for name, asker in asked_for.items()))
        return path

    def _stanza(self, name: str, asker: str) -> str:
        digest = sha256(self._wheel(name).read_bytes()).hexdigest()
        return f"{name}==1.0 \\\n    --hash=sha256:{digest}\n    # via {asker}\n"

    def _wheel(self, name: str) -> Path:
        return self._folder / "simple" / name / f"{name}-1.0-py3-none-any.whl"
