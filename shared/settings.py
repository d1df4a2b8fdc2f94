"""Environment variables as one small typed model per function or job.

A module declares what it reads (``class Settings(EnvironmentModel): raw_bucket: str``) and calls
``read(Settings)`` at first use, never at import, so that it can be imported in a test with nothing set.
msgspec, not pydantic-settings: the webhook function's import budget has no room for pydantic.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TypeVar

import msgspec

from shared.errors import Misconfigured


class EnvironmentModel(msgspec.Struct, frozen=True, rename="upper"):
    """A field ``raw_bucket`` is read from ``RAW_BUCKET``."""


Model = TypeVar("Model", bound=EnvironmentModel)


def read(model: type[Model], environment: Mapping[str, str] | None = None) -> Model:
    """Raises Misconfigured, naming the variable, where one is missing or of the wrong type."""
    try:
        return msgspec.convert(dict(os.environ if environment is None else environment), model, strict=False)
    except msgspec.ValidationError as error:
        raise Misconfigured(f"environment: {error}", fix="set it in the function's environment (infra/)") from None
