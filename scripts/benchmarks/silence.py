"""A function's log and metrics while it is measured: written, as they are in Lambda, but to nowhere."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from aws_lambda_powertools import Logger


@contextlib.contextmanager
def silenced(logger: Logger) -> Iterator[None]:
    """``logger``: the function's own; its metrics go to standard output."""
    console = logger.registered_handler
    with open(os.devnull, "w", encoding="utf-8") as nowhere, contextlib.redirect_stdout(nowhere):
        stream = console.setStream(nowhere)  # type: ignore[attr-defined]
        try:
            yield
        finally:
            console.setStream(stream)  # type: ignore[attr-defined]
