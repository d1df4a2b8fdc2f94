"""Half an hour of everything at once, and afterwards nothing is lost, nothing doubled, and nothing has grown.

POUSADA_SOAK_MINUTES makes it shorter or longer, POUSADA_SOAK_SEED repeats the order of its troubles. (Not more than
the order: what meets what is the machine's chance.)
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from random import SystemRandom

import pytest

from scripts.local.environment import ROOT
from scripts.local.stack import LocalStack
from tests.load import memory
from tests.load.soak import Soak

pytestmark = pytest.mark.timeout(0)

Tell = Callable[[str, object], None]

MINUTES = float(os.environ.get("POUSADA_SOAK_MINUTES", "30"))
SEED = int(os.environ.get("POUSADA_SOAK_SEED") or SystemRandom().randrange(2**32))
EVENTS = 20_000
MOST_GROWTH = 1.0
"""MB in 10,000 events: a worker that lives for its longest hours takes some 100,000."""


def test_after_a_soak_everything_is_there_once(
    deployed: LocalStack, record_property: Tell, capfd: pytest.CaptureFixture[str]
) -> None:
    soak = Soak(deployed, SEED, MINUTES, say=lambda text: print(text, file=sys.stderr, flush=True))
    with capfd.disabled():
        soak.say(f"soak of {MINUTES:g} minutes, seed {SEED}")
        soak.run()
        soak.settle()
    agreement, audited = soak.agreement(), soak.operator.audit()

    record_property("minutes", MINUTES)
    record_property("soak_seed", SEED)
    record_property("days", soak.pms.lived)
    record_property("deliveries", soak.pms.answered)
    for name, count in sorted(soak.counted.items()):
        record_property(name.replace(" ", "_"), count)
    record_property("dead_letters_sent_back", soak.redriven)
    for table, rows in agreement.truth.items():
        record_property(f"rows_{table}", rows)
    for name, megabytes in sorted(soak.peak_mb.items()):
        record_property(f"peak_mb_{name}", megabytes)
    record_property("raw_objects_audited", audited["objects"])

    assert agreement.mismatches == []
    assert audited["findings"] == []
    assert audited["records"] > 0
    assert soak.operator.dead_letters() == 0
    never = [name for name in soak.troubles.all() if not soak.counted[name]]
    assert never == [], "the soak was too short to say so much"


@pytest.mark.parametrize("function", memory.FUNCTIONS)
def test_a_warm_function_does_not_grow(function: str, record_property: Tell) -> None:
    command = [sys.executable, "-m", memory.__name__, function, str(EVENTS)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

    grown = json.loads(done.stdout)

    record_property(f"{function}_mb_in_10000_events", round(memory.growth(grown), 3))
    record_property(f"{function}_mb", round(grown[-1][1], 1))
    assert memory.growth(grown) < MOST_GROWTH
