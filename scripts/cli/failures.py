"""Expected failures in one or two lines, with what to do: a traceback is for the unexpected alone."""

from __future__ import annotations

from typing import Any

import httpx
import psycopg
import typer
from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError, NoCredentialsError
from rich.markup import escape
from typer.core import TyperGroup

from scripts.cli.output import messages
from shared.errors import PousadaError

EXPECTED = (PousadaError, BotoCoreError, ClientError, psycopg.Error, httpx.HTTPError)


class FailuresExplained(TyperGroup):
    """The root command: catches what any command below it raises."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except EXPECTED as error:
            if ctx.params.get("debug"):
                raise
            message, fix = explained(error)
            messages.print(f"[red bold]pousada:[/] {escape(message)}", soft_wrap=True)
            if fix:
                messages.print(f"  [dim]{escape(fix)}[/]", soft_wrap=True)
            raise typer.Exit(1) from None


def explained(error: Exception) -> tuple[str, str | None]:
    """What was wrong, and what to do about it."""
    match error:
        case PousadaError():
            return error.message, error.fix
        case NoCredentialsError():
            return "no AWS credentials", "sign in as for the AWS command line, or use the local target (--stage local)"
        case EndpointConnectionError():
            return f"nothing answers at {error.kwargs.get('endpoint_url')}", "does it run? pousada local status"
        case ClientError():
            about = error.response.get("Error", {})
            return f"AWS refused {error.operation_name}: {about.get('Code')}: {about.get('Message')}", None
        case psycopg.OperationalError():
            return "PostgreSQL cannot be reached", "only its own network may connect to it: open a tunnel"
        case psycopg.Error():
            # Not its message: it may quote a row.
            return f"PostgreSQL refused the statement ({type(error).__name__})", "run the migrations of this version"
        case httpx.HTTPError():
            return f"no answer ({type(error).__name__})", "is the address right, and is it running?"
    return f"{type(error).__name__}: {error}", None
