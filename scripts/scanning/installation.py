"""The scanners' own environment, from their own lock."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from scripts.local.environment import ROOT
from scripts.local.installation import pip_settings, uv_environment

LOCK = Path(__file__).with_name("requirements.lock")
ENVIRONMENT = ROOT / ".pousada" / "scanners"

Say = Callable[[str], None]


def install(say: Say) -> Path:
    """The folder of the scanners' commands. Raises CalledProcessError where the packages cannot be had."""
    commands = ENVIRONMENT / "bin"
    stamp = ENVIRONMENT / "installed.txt"
    wanted = LOCK.read_text(encoding="utf-8")
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
        say("installing the scanners into an environment of their own")
        uv = [sys.executable, "-m", "uv"]
        subprocess.run([*uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(ENVIRONMENT)], check=True)
        where = ["--quiet", "--python", str(commands / "python")]
        what = ["--require-hashes", "--requirements", str(LOCK)]
        subprocess.run([*uv, "pip", "install", *where, *what], check=True, env=uv_environment(pip_settings()))
        stamp.write_text(wanted, encoding="utf-8")
    return commands
