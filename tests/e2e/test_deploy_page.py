"""docs/deploy.md, from the deployment to the first hotel: the commands that it marks are run as they are written."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from scripts.local.environment import ROOT
from scripts.local.stack import LocalStack
from scripts.simulators.hostpms import RunningSimulator, World, running
from tests.e2e.hotels import Hotel
from tests.e2e.waiting import eventually
from tests.factories import record, text

PAGE = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
PROPERTY = "PT-LLE-901"
SECONDS = 480


@pytest.fixture(scope="module")
def pms() -> Iterator[RunningSimulator]:
    with running(World(23, [PROPERTY], date(2026, 3, 1), rooms=2, history_days=3)) as pms:
        yield pms


def marked() -> list[str]:
    """The blocks below a line that marks them, in their order."""
    return re.findall(r"^<!-- tried -->\n```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def as_it_is_here(commands: str, pms: RunningSimulator, folder: Path) -> str:
    """The page's stage, hotel and vendor, exchanged for those of this test; nothing else."""
    (folder / "reservation.json").write_bytes(text(record("booking", reservation_id="RSV-1", property_id=PROPERTY)))
    exchanged = {
        "prod-eu-west-1": "local",
        "PT-LIS-001": PROPERTY,
        "https://api.hostpms.com/v3": pms.base_url,
        "pousada-lisboa": pms.world.credentials(PROPERTY).client_id,
        "reservation.json": str(folder / "reservation.json"),
        # Its usual place is the clone's, where another run may be writing.
        "cdk diff": f"cdk diff --no-notices --output {folder / 'cdk.out'}",
    }
    for written, here in exchanged.items():
        assert written in commands, f"docs/deploy.md does not say {written} any more"
        commands = commands.replace(written, here)
    return commands


def test_what_the_page_says_leads_to_the_first_hotels_rows(
    deployed: LocalStack, pms: RunningSimulator, tmp_path: Path
) -> None:
    script = as_it_is_here("\n".join(marked()), pms, tmp_path)
    secret = {"POUSADA_CLIENT_SECRET": pms.world.credentials(PROPERTY).client_secret}

    done = subprocess.run(
        ["bash", "-euc", script],
        cwd=ROOT,
        env=deployed.environment | secret,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
        check=False,
    )

    assert done.returncode == 0, done.stdout
    # What has just been deployed differs from its sources in nothing.
    assert "Number of stacks with differences: 0" in done.stdout
    assert '"result": "accepted"' in done.stdout.replace('\\"', '"')
    assert "nothing lost" in done.stdout
    hotel = Hotel(deployed, PROPERTY)
    eventually(lambda: hotel.row("booking", "RSV-1"), "the first delivery's row")
    assert len(hotel.rows("room")) == 2


def test_the_page_marks_what_it_says_it_has_tried() -> None:
    tried = " ".join(marked())

    for command in ("cdk diff", "onboard", "poll", "status", "replay", "send", "audit"):
        assert command in tried
