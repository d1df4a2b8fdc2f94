"""Makes a clone ready: ``.venv`` (Python packages, Node, Java) and ``node_modules`` (the CDK command line).

Runs on a bare Python 3.11+, so it imports the standard library alone. Everything comes from the package
registries, by way of whatever pip and npm are configured with on this machine. What they send is held to the hashes in
requirements.lock and package-lock.json.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from infra.lock import LockUnreadable, as_requirements, read_lock

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
STAMP = VENV / ".installed"
STATE = ROOT / ".pousada"
LOG = STATE / "setup.log"
# What the installation follows from; a change of any of them installs anew.
SOURCES = (
    "requirements.lock",
    "package.json",
    "package-lock.json",
    "scripts/local/installation.py",
)
# uv installs all others; setuptools builds pyspark, the one package that is published as source alone.
FIRST = ("setuptools", "uv")
# An isolated build would fetch its tools unchecked, so there is none, and nothing else is built.
CHECKED = ("--require-hashes", "--only-binary", ":all:", "--no-binary", "pyspark", "--no-build-isolation")
# pip's settings by the names uv knows them under. uv does not read pip's configuration, and a machine
# behind a company index is configured there.
UV_SETTINGS = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "cert": "SSL_CERT_FILE",
}


class InstallationFailed(Exception):
    pass


def main() -> int:
    try:
        install()
    except (InstallationFailed, LockUnreadable) as error:
        print(f"setup: {error}", file=sys.stderr)
        return 1
    return 0


def install() -> None:
    """Does nothing where the stamp says that all is in place."""
    wanted = fingerprint()
    if installed(wanted):
        return
    STATE.mkdir(exist_ok=True)
    with only_one():
        if installed(wanted):  # another setup did it while this one waited
            return
        started = time.monotonic()
        LOG.write_text("")
        install_python_packages()
        install_node_packages()
        STAMP.write_text(wanted)
        say(f"ready in {time.monotonic() - started:.0f} s")


def fingerprint() -> str:
    """A digest of all that the installation follows from; the root too, since a venv cannot be moved."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    digest = hashlib.sha256(f"{version}\n{ROOT}\n".encode())
    for source in SOURCES:
        path = ROOT / source
        digest.update(source.encode() + b"\0" + (path.read_bytes() if path.exists() else b"absent") + b"\0")
    return digest.hexdigest()


def installed(wanted: str) -> bool:
    return STAMP.exists() and STAMP.read_text() == wanted and (ROOT / "node_modules").is_dir()


@contextmanager
def only_one() -> Iterator[None]:
    """Two setups of one clone take turns; the lock goes with its process, however that ends."""
    with (STATE / "setup.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another setup of this clone is at work; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def install_python_packages() -> None:
    if not venv_is_sound():
        make_venv()
    run("installing uv", pip_install(first_packages()))
    try:
        run("installing Python packages (0.5 GB on a first run)", uv_install(lock()), uv_environment(pip_settings()))
    except InstallationFailed:
        run("uv could not; installing the same with pip, which is slower", pip_install(lock()))


def lock() -> Path:
    return ROOT / "requirements.lock"


def first_packages() -> Path:
    """A file with the lock's lines of what has to be there before the rest."""
    file = STATE / "first-packages.txt"
    file.write_text(as_requirements(package for package in read_lock(lock()) if package.name in FIRST))
    return file


def pip_install(requirements: Path) -> list[str]:
    pip = [str(VENV / "bin/python"), "-m", "pip", "install", "--disable-pip-version-check", "--quiet"]
    return [*pip, *CHECKED, "--requirement", str(requirements)]


def uv_install(requirements: Path) -> list[str]:
    # Compiled here once; otherwise every cold function, and every synthesis, would compile anew.
    uv = [str(VENV / "bin/uv"), "pip", "install", "--python", str(VENV / "bin/python"), "--compile-bytecode"]
    return [*uv, *CHECKED, "--requirement", str(requirements)]


def venv_is_sound() -> bool:
    """There, of this Python version, and made at this place."""
    configuration = VENV / "pyvenv.cfg"
    pip = VENV / "bin/pip"
    if not configuration.exists() or not pip.exists():
        return False
    version = f"{sys.version_info.major}.{sys.version_info.minor}."
    made_here = pip.read_text().startswith(f"#!{VENV}/bin/python")
    same_version = any(
        line.partition("=")[2].strip().startswith(version)
        for line in configuration.read_text().splitlines()
        if line.startswith("version")
    )
    return made_here and same_version


def make_venv() -> None:
    if VENV.exists():
        shutil.rmtree(VENV)
    version = ".".join(map(str, sys.version_info[:3]))
    # Not sys.executable: run from an old .venv, that would be the one just deleted.
    base = getattr(sys, "_base_executable", sys.executable)
    run(f"making .venv with Python {version}", [base, "-m", "venv", str(VENV)])


def pip_settings() -> dict[str, str]:
    """``pip config list`` as a mapping; the environment's settings win over the files', as with pip."""
    pip = [str(VENV / "bin/python"), "-m", "pip", "config", "list"]
    listed = subprocess.run(pip, capture_output=True, text=True, check=False).stdout
    settings: dict[str, str] = {}
    for line in sorted(listed.splitlines(), key=lambda line: line.startswith(":env:")):
        name, _, value = line.partition("=")
        settings[name.rpartition(".")[2]] = value.strip("'\"")
    return settings


def uv_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """The environment for uv, so that it installs from where pip would, trusting whom the system trusts."""
    environment = {"UV_SYSTEM_CERTS": "1", "UV_INDEX_STRATEGY": "unsafe-best-match"}
    environment |= {UV_SETTINGS[name]: value for name, value in settings.items() if name in UV_SETTINGS}
    return environment | dict(os.environ)


def install_node_packages() -> None:
    environment = dict(os.environ)
    environment["PATH"] = f"{VENV / 'bin'}{os.pathsep}{environment.get('PATH', os.defpath)}"
    certificates = pip_settings().get("cert")
    if certificates:
        environment.setdefault("NODE_EXTRA_CA_CERTS", certificates)
    npm = [str(VENV / "bin/npm"), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    run("installing the CDK command line", npm, environment)


def run(what: str, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
    """Runs ``command`` with its output in the log. Raises InstallationFailed, with the log's end."""
    say(what)
    with LOG.open("a") as log:
        log.write(f"\n$ {' '.join(command)}\n")
        log.flush()
        result = subprocess.run(command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT, check=False)
    if result.returncode:
        end = "\n".join(f"    {line}" for line in LOG.read_text(errors="replace").splitlines()[-20:])
        raise InstallationFailed(f"{what}: exit status {result.returncode}. The end of {LOG}:\n{end}")


def say(what: str) -> None:
    print(f"setup: {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
