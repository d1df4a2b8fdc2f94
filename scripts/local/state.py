"""What a running local target tells about itself, in ``state.json`` of its state folder."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from scripts.local.environment import ROOT
from shared.decoding import UNREADABLE
from shared.errors import Misconfigured

DEFAULT_FOLDER = ROOT / ".pousada" / "local"
_FILE = "state.json"


class State(msgspec.Struct, frozen=True, kw_only=True):
    stage: str
    endpoint: str
    """The embedded AWS."""
    dsn: str
    """PostgreSQL's, with its password: the file is readable by its owner alone."""
    webhook_url: str
    processes: dict[str, int] = {}
    """Name → process id, for whoever looks around."""


def write(folder: Path, state: State) -> None:
    path = folder / _FILE
    path.touch(mode=0o600)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(state)))


def read(folder: Path | None = None) -> State:
    """The local target's in ``folder`` (default: POUSADA_STATE_DIR, else .pousada/local). Raises Misconfigured."""
    folder = folder or default_folder()
    try:
        return msgspec.json.decode((folder / _FILE).read_bytes(), type=State)
    except (OSError, *UNREADABLE):
        raise Misconfigured(
            f"no local target runs in {folder}",
            fix="start one with `scripts/pousada local up` or `scripts/demo --keep`, or name a stage with --stage",
        ) from None


def default_folder() -> Path:
    return Path(os.environ.get("POUSADA_STATE_DIR") or DEFAULT_FOLDER).resolve()
