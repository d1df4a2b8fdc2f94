"""Pousada's batch path beside its peers, on the same raw pages: dlt, and DuckDB as the limit."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from scripts.benchmarks import etl
from scripts.benchmarks.pages import pages
from scripts.local.embedded_postgres import EmbeddedPostgres
from scripts.local.environment import ROOT

REQUIREMENTS = Path(__file__).with_name("requirements.txt")
ENVIRONMENT = ROOT / ".pousada" / "peers"
"""dlt's packages would bring other versions of what is deployed here."""

Say = Callable[[str], None]


def run(records: int, rounds: int = 3, say: Say = lambda text: None) -> dict[str, Any]:
    """Records per second of each, and the ratios the bars are set on; medians of ``rounds``, in turns."""
    with TemporaryDirectory(prefix="pousada-bench-") as name:
        folder = Path(name)
        _write_pages(records, folder / "pages")
        turns = [_turn(records, folder, say) for _ in range(rounds)]
    rates = {name: median(turn[name] for turn in turns) for name in turns[0]}
    return {
        "records": records,
        **{f"{name}_per_s": round(rate) for name, rate in rates.items()},
        "etl_to_dlt": round(rates["ours_insert"] / rates["dlt"], 1),
        "etl_to_dlt_tuned": round(rates["ours_insert"] / rates["dlt_tuned"], 1),
        "map_write_to_duckdb": round(rates["ours_on_files"] / rates["duckdb"], 2),
    }


def _turn(records: int, folder: Path, say: Say) -> dict[str, float]:
    """Each once; records per second."""
    ours = etl.run(records, passes=("map_write", "insert"), say=say)
    # These take a second or two, and the machine's mood weighs more: three times, in turns.
    mapped = [(_mapping("pousada", folder, say), _mapping("duckdb", folder, say)) for _ in range(3)]
    on_files, in_duckdb = (records / median(seconds) for seconds in zip(*mapped, strict=True))
    return {
        "ours_insert": ours["insert_per_s"],
        "dlt": records / sum(_dlt(folder, "default", say).values()),
        "dlt_tuned": records / sum(_dlt(folder, "tuned", say).values()),
        "ours_map_write": ours["map_write_per_s"],
        "ours_on_files": on_files,
        "duckdb": in_duckdb,
    }


def _write_pages(records: int, folder: Path) -> None:
    """On the disk, where a peer reads them with less ado than from S3."""
    folder.mkdir()
    for number, page in enumerate(pages(records, datetime.now(UTC)), start=1):
        (folder / f"{number:05}.ndjson.gz").write_bytes(gzip.compress(page, 6))


def _dlt(folder: Path, how: str, say: Say) -> dict[str, float]:
    """Seconds into PostgreSQL, and into Parquet; both are empty at first."""
    python = _environment(say)
    for name in ("lake", "state", "server"):
        shutil.rmtree(folder / name, ignore_errors=True)
    (folder / "server").mkdir()
    server = EmbeddedPostgres(folder / "server")
    server.start()
    try:
        script = str(Path(__file__).with_name("dlt_pipeline.py"))
        arguments = [str(folder / "pages"), server.dsn, str(folder / "lake"), str(folder / "state"), how]
        seconds: dict[str, float] = _told([str(python), script, *arguments])
    finally:
        server.stop()
    say(f"dlt, {how}: {seconds['postgres']:.1f} s into PostgreSQL, {seconds['parquet']:.1f} s into Parquet")
    return seconds


def _environment(say: Say) -> Path:
    """The interpreter of an environment with dlt in it."""
    python = ENVIRONMENT / "bin" / "python"
    stamp = ENVIRONMENT / "installed.txt"
    wanted = REQUIREMENTS.read_text()
    if not stamp.exists() or stamp.read_text() != wanted:
        say("installing dlt into an environment of its own")
        uv = [sys.executable, "-m", "uv"]
        subprocess.run([*uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(ENVIRONMENT)], check=True)
        installing = [*uv, "pip", "install", "--quiet", "--python", str(python), "--requirements", str(REQUIREMENTS)]
        subprocess.run(installing, check=True)
        stamp.write_text(wanted)
    return python


def _mapping(whose: str, folder: Path, say: Say) -> float:
    """Seconds to map the pages on the disk into Parquet on the disk."""
    out = folder / "mapped"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    module = f"scripts.benchmarks.peers.{whose}_mapping"
    seconds: float = _told([sys.executable, "-m", module, str(folder / "pages"), str(out)])["seconds"]
    say(f"{whose}: {seconds:.1f} s from files to Parquet")
    return seconds


def _told(command: Sequence[str]) -> Any:
    """The JSON of the program's last line. Raises RuntimeError with its end where it failed."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{command[1]} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])
