"""The vendors Pousada knows: one line each. A vendor's modules are imported only when asked for."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from types import ModuleType

from shared.errors import NotFound

VENDORS = ("hostpms",)


@cache
def part(vendor: str, module: str) -> ModuleType:
    """``part("hostpms", "webhook")``: the module; NotFound, with the known vendors, for any other name."""
    if vendor not in VENDORS:
        raise NotFound(f"unknown vendor; the known are {', '.join(VENDORS)}", reason="unknown_vendor")
    return import_module(f"shared.vendors.{vendor}.{module}")
