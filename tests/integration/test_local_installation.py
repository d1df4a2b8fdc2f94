"""Setting up: once for each change, one at a time, from where this machine's pip installs, and what the lock says."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from scripts.local import installation
from scripts.local.environment import ROOT

SECONDS = 60.0
PIP_SETTINGS = {
    "index-url": "https://packages.example/simple",
    "extra-index-url": "https://more.example/simple",
    "find-links": "/srv/wheels",
    "cert": "/etc/ssl/company.pem",
    "timeout": "60",
}


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone in which setting up only writes down that it was done."""
    monkeypatch.setattr(installation, "ROOT", tmp_path)
    monkeypatch.setattr(installation, "STATE", tmp_path / ".pousada")
    monkeypatch.setattr(installation, "LOG", tmp_path / ".pousada" / "setup.log")
    monkeypatch.setattr(installation, "STAMP", tmp_path / ".installed")
    (tmp_path / "requirements.lock").write_text("rich==15.0.0\n")

    def note(what: str) -> None:
        (tmp_path / "node_modules").mkdir(exist_ok=True)
        with (tmp_path / "done").open("a") as done:
            done.write(what)

    monkeypatch.setattr(installation, "install_python_packages", lambda: note("p"))
    monkeypatch.setattr(installation, "install_node_packages", lambda: note("n"))
    return tmp_path


def done(clone: Path) -> str:
    return (clone / "done").read_text()


def test_a_second_setup_does_nothing(clone: Path) -> None:
    installation.install()
    installation.install()

    assert done(clone) == "pn"


def test_a_changed_pin_installs_anew(clone: Path) -> None:
    installation.install()
    (clone / "requirements.lock").write_text("rich==15.0.1\n")
    installation.install()

    assert done(clone) == "pnpn"


def test_a_failed_setup_is_done_again(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise installation.InstallationFailed("no network")

    with monkeypatch.context() as offline:
        offline.setattr(installation, "install_node_packages", fail)
        assert installation.main() == 1

    assert installation.main() == 0
    assert done(clone) == "ppn"


def test_of_two_at_once_the_second_waits_and_finds_it_done(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    installation.STATE.mkdir()
    with (installation.STATE / "setup.lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        waiting = threading.Thread(target=installation.install)
        waiting.start()
        deadline = time.monotonic() + SECONDS
        while "another setup" not in capsys.readouterr().err:
            assert time.monotonic() < deadline, "the second says that it waits"
            time.sleep(0.01)
        assert waiting.is_alive()
        (clone / "node_modules").mkdir()
        installation.STAMP.write_text(installation.fingerprint())

    waiting.join(SECONDS)
    assert not waiting.is_alive()
    assert not (clone / "done").exists()


def test_uv_installs_from_where_pip_would(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*installation.UV_SETTINGS.values(), "UV_SYSTEM_CERTS"):
        monkeypatch.delenv(name, raising=False)

    environment = installation.uv_environment(PIP_SETTINGS)

    assert environment["UV_DEFAULT_INDEX"] == "https://packages.example/simple"
    assert environment["UV_INDEX"] == "https://more.example/simple"
    assert (environment["UV_FIND_LINKS"], environment["SSL_CERT_FILE"]) == ("/srv/wheels", "/etc/ssl/company.pem")
    assert environment["UV_SYSTEM_CERTS"] == "1"


def test_what_the_environment_says_of_uv_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://mine.example/simple")

    assert installation.uv_environment(PIP_SETTINGS)["UV_DEFAULT_INDEX"] == "https://mine.example/simple"


def test_a_failed_step_shows_the_end_of_its_log(clone: Path) -> None:
    installation.STATE.mkdir()

    with pytest.raises(installation.InstallationFailed, match=r"exit status 3(.|\n)*no matching distribution"):
        installation.run("trying", [sys.executable, "-c", "print('no matching distribution'); raise SystemExit(3)"])


def test_without_a_python_it_says_which_and_how(tmp_path: Path) -> None:
    launcher = tmp_path / "scripts" / "setup"
    launcher.parent.mkdir()
    launcher.write_text((ROOT / "scripts" / "setup").read_text())
    launcher.chmod(0o755)
    nothing = tmp_path / "bin"
    nothing.mkdir()
    (nothing / "cat").symlink_to("/bin/cat")

    result = subprocess.run(
        [launcher], env={"PATH": str(nothing), "HOME": os.environ["HOME"]}, capture_output=True, text=True, check=False
    )

    assert result.returncode == 1
    assert "no Python 3.11 or later" in result.stderr


def test_every_source_of_the_installation_is_there() -> None:
    assert [source for source in installation.SOURCES if not (ROOT / source).exists()] == []


def test_no_requirement_names_a_registry() -> None:
    sources = [*ROOT.glob("requirements.*"), *ROOT.glob("*/requirements.txt"), *ROOT.glob("package*.json")]
    assert len(sources) == 9
    for source in sources:
        assert "://" not in source.read_text(), source
