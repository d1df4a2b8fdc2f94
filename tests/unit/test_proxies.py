"""A proxy that the environment names is no way to the embedded servers, which are on this machine."""

from __future__ import annotations

import subprocess
import sys

import pytest

from scripts.local.environment import ROOT, local

ASKED = """
import scripts, urllib.request
from botocore.utils import get_environ_proxies
for url in ("http://127.0.0.1:4566", "http://localhost:4566", "https://intern.example", "https://packages.example"):
    around = urllib.request.proxy_bypass(url.partition("://")[2].partition(":")[0])
    print(bool(around), not get_environ_proxies(url))
"""


@pytest.mark.parametrize("name", ["NO_PROXY", "no_proxy"])
def test_what_is_on_this_machine_is_reached_directly_and_what_was_excepted_before_too(name: str) -> None:
    proxies = {f"{scheme}_proxy": "http://proxy.example:3128" for scheme in ("http", "https")}
    clean = {key: value for key, value in local("http://127.0.0.1:4566").items() if key.lower() != "no_proxy"}

    run = subprocess.run(
        [sys.executable, "-c", ASKED],
        cwd=ROOT,
        env={**clean, **proxies, name: "intern.example"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert run.stdout.splitlines() == ["True True", "True True", "True True", "False False"]
