"""``pousada database reader``: who may read PostgreSQL, and which hotels' rows."""

from __future__ import annotations

import secrets as randomness
from typing import Annotated

import msgspec
import typer

from scripts.cli import output
from scripts.cli.stage import Options, Stage
from shared.errors import NotFound
from shared.storage.readers import Hotel, Reader, Readers
from shared.storage.secrets import DatabaseCredentials

app = typer.Typer(no_args_is_help=True, help="Logins that see the rows of named hotels, and no other.")

Name = Annotated[str, typer.Argument(help="Of your choice: small letters, digits, _ and -.")]
AsJson = Annotated[bool, typer.Option("--json", help="As NDJSON.")]


class Shown(msgspec.Struct):
    """A reader as it is told of: no password."""

    name: str
    role: str
    secret: str
    """Secrets Manager's name of what it logs in with."""
    hotels: list[str]


@app.command()
def add(
    context: typer.Context,
    name: Name,
    hotel: Annotated[
        list[str], typer.Option(help="A hotel it sees, as the vendor knows it; may be given several times.")
    ],
    rotate: Annotated[bool, typer.Option("--rotate", help="Give it a new password.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make a reader, or give it other hotels: those named are the ones it sees from now on, and no other.

    Prints the name of the secret that holds what it logs in with. The password is never shown.
    Where two vendors use one property id, name the vendor too: hostpms/PT-LIS-001.

    **Example**: `scripts/pousada database reader add lisbon-bi --hotel PT-LIS-001 --hotel PT-OPO-002`
    """
    options: Options = context.obj
    stage = options.open()
    hotels = onboarded(stage, hotel)
    with stage.database() as connection:
        readers = Readers(connection)
        # The secret comes first: should this end in between, the next time takes the password from there.
        password = _stored(stage, name, readers.role(name), rotate)
        reader = readers.put(name, password, hotels)
    shown = _shown(stage, reader)
    output.say(f"{reader.role} sees {', '.join(shown.hotels)}")
    if as_json:
        output.line(shown)
    else:
        typer.echo(shown.secret)


@app.command("list")
def show(context: typer.Context, as_json: AsJson = False) -> None:
    """List the readers: which hotels each sees, and the name of its secret.

    **Example**: `scripts/pousada database reader list --json | jq -r .secret`
    """
    options: Options = context.obj
    stage = options.open()
    with stage.database() as connection:
        readers = [_shown(stage, reader) for reader in Readers(connection).all()]
    if as_json:
        for reader in readers:
            output.line(reader)
        return
    rows = ((reader.name, reader.role, ", ".join(reader.hotels), reader.secret) for reader in readers)
    output.table("readers", ("name", "role", "hotels", "secret"), rows)
    if not readers:
        output.say("nobody reads: scripts/pousada database reader add --help")


@app.command()
def remove(context: typer.Context, name: Name) -> None:
    """Take a reader's access: its sessions end, its role and its secret go.

    **Example**: `scripts/pousada database reader remove lisbon-bi`
    """
    options: Options = context.obj
    stage = options.open()
    with stage.database() as connection:
        was_there = Readers(connection).remove(name)
    stage.secrets.delete(stage.names.reader_secret(name))
    output.say(f"{name} is removed" if was_there else f"there is no reader {name}")


def onboarded(stage: Stage, named: list[str]) -> list[Hotel]:
    """The hotels meant by ``PROPERTY`` or ``VENDOR/PROPERTY``, once each. Raises NotFound.

    One that is not onboarded is refused: misspelt, it could become the name of a hotel to come.
    """
    known = [Hotel(item.vendor, item.property_id) for item in stage.integrations.all()]
    return list(dict.fromkeys(_meant(text, known) for text in named))


def _meant(text: str, known: list[Hotel]) -> Hotel:
    found = [hotel for hotel in known if text in (hotel.property_id, str(hotel))]
    if not found:
        raise NotFound(f"no hotel {text} is onboarded", fix="scripts/pousada status lists those that are")
    if len(found) > 1:
        raise NotFound(f"{text} is a hotel of several vendors", fix=f"name one: {', '.join(map(str, found))}")
    return found[0]


def _stored(stage: Stage, name: str, role: str, rotate: bool) -> str:
    """The reader's password, as its secret holds it from now on."""
    secret, secrets = stage.names.reader_secret(name), stage.secrets
    try:
        before = secrets.read(secret, DatabaseCredentials)
    except NotFound:
        before = None
    password = before.password if before and not rotate else randomness.token_urlsafe(32)
    credentials = msgspec.structs.replace(stage.credentials(), username=role, password=password)
    if credentials != before:
        secrets.write(secret, credentials)
    return password


def _shown(stage: Stage, reader: Reader) -> Shown:
    return Shown(reader.name, reader.role, stage.names.reader_secret(reader.name), [str(h) for h in reader.hotels])
