"""A function's log and metrics while it is measured: written, as they are in Lambda, but to nowhere."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from aws_lambda_powertools import Logger, Metrics


@contextlib.contextmanager
def silenced(logger: Logger, metrics: Metrics) -> Iterator[None]:
    """``logger`` and ``metrics``: the function's own. The metrics, which go to standard output, need a namespace."""
    console, namespace = logger.registered_handler, metrics.namespace
    metrics.namespace = namespace or "pousada/benchmark"
    with open(os.devnull, "w", encoding="utf-8") as nowhere, contextlib.redirect_stdout(nowhere):
        stream = console.setStream(nowhere)  # type: ignore[attr-defined]
        try:
            yield
        finally:
            console.setStream(stream)  # type: ignore[attr-defined]
            metrics.namespace = namespace
