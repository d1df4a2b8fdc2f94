"""One sound record of every entity that a vendor has, in the vendor's own words. A new vendor is one line."""

from __future__ import annotations

from collections.abc import Mapping

from tests import factories

SAMPLES: Mapping[str, Mapping[str, str]] = {
    "hostpms": factories.GIVEN,
}
