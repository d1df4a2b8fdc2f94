"""What is installed is held to the lock: a real environment, the real pip and uv, and an index of our own."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scripts.local import installation
from tests.fakes.package_index import PackageIndex


@pytest.fixture(scope="module")
def venv(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("clone")
    with pytest.MonkeyPatch.context() as patches:
        patches.setattr(installation, "ROOT", root)
        patches.setattr(installation, "VENV", root / ".venv")
        patches.setattr(installation, "STATE", root / ".pousada")
        patches.setattr(installation, "LOG", root / ".pousada" / "setup.log")
        installation.STATE.mkdir()
        installation.make_venv()
        (root / ".venv/bin/uv").symlink_to(shutil.which("uv", path=Path(sys.executable).parent) or "uv")
        yield root / ".venv"
    shutil.rmtree(root)


@pytest.fixture
def index(venv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PackageIndex:
    installation.LOG.write_text("")
    index = PackageIndex(tmp_path)
    index.lead(monkeypatch)
    return index


both = pytest.mark.parametrize("way", [installation.uv_install, installation.pip_install], ids=["uv", "pip"])


@both
def test_what_the_lock_says_is_installed(way: Callable[[Path], list[str]], venv: Path, index: PackageIndex):
    name = f"lobby{way.__name__[:2]}"  # the environment is the same one
    index.publish(name)

    installation.run("installing", way(index.lock({name: "-r scripts/requirements.txt"})))

    assert len(list(venv.glob(f"lib/*/site-packages/{name}.py"))) == 1


@both
def test_other_bytes_than_the_lock_says_are_refused(way: Callable[[Path], list[str]], index: PackageIndex):
    index.publish("annex")
    lock = index.lock({"annex": "-r scripts/requirements.txt"})
    index.publish("annex", content="changed = True")

    with pytest.raises(installation.InstallationFailed, match=r"Hash mismatch for `annex|NOT MATCH THE HASHES"):
        installation.run("installing", way(lock))


@both
def test_what_the_lock_lacks_is_refused(way: Callable[[Path], list[str]], index: PackageIndex):
    index.publish("terrace", needs=["parasol"])
    index.publish("parasol")

    with pytest.raises(installation.InstallationFailed, match="parasol"):
        installation.run("installing", way(index.lock({"terrace": "-r scripts/requirements.txt"})))


def test_uv_itself_is_held_to_the_lock(index: PackageIndex, monkeypatch: pytest.MonkeyPatch):
    index.publish("uv")
    monkeypatch.setattr(installation, "ROOT", index.lock({"uv": "-r scripts/requirements.txt"}).parent)
    index.publish("uv", content="changed = True")

    with pytest.raises(installation.InstallationFailed, match=r"installing uv(.|\n)*HASHES(.|\n)*uv==1.0"):
        installation.install_python_packages()
