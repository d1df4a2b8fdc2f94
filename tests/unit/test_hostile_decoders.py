"""Whatever is read: a record that can be used, or an error of ours that quotes nothing; never another exception."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from scripts.cli.app import app
from scripts.cli.failures import explained
from shared import decoding
from shared.errors import PousadaError
from tests import factories, hostile
from tests.decoders import DECODERS, Decoder
from tests.hostile import CANARY

SEEDS: list[dict[str, str]] = json.loads(
    (Path(__file__).parents[1] / "seeds" / "decoders.json").read_text(encoding="utf-8")
)
EACH = pytest.mark.parametrize("decoder", DECODERS.values(), ids=DECODERS)


def read(decoder: Decoder, text: bytes) -> Any:
    """What ``text`` is read as, used once; None where it is refused."""
    try:
        record = decoder.read(text)
    except PousadaError as error:
        message, fix = explained(error)
        told = f"{error} {error.facts} {message} {fix}"
        assert CANARY not in told
        assert "\n" not in message
        return None
    decoder.use(record)
    return record


@EACH
def test_a_sound_text_is_read(decoder: Decoder) -> None:
    assert read(decoder, decoder.sample) is not None


@EACH
@given(data=st.data())
@settings(max_examples=max(20, hostile.EXAMPLES // 4))
def test_any_text_is_a_record_or_is_refused_in_one_line(decoder: Decoder, data: st.DataObject) -> None:
    read(decoder, data.draw(hostile.texts(decoder.sample)))


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed["what"])
def test_a_seed_is_a_record_or_is_refused_by_every_decoder(seed: dict[str, str]) -> None:
    for decoder in DECODERS.values():
        read(decoder, base64.b64decode(seed["base64"]) if "base64" in seed else seed["text"].encode())


@EACH
def test_what_is_deep_or_beyond_measure_is_a_record_or_is_refused(decoder: Decoder) -> None:
    for text in (*hostile.DEEP, *hostile.NUMBERS, hostile.BOMB):
        read(decoder, text)
        read(decoder, decoder.sample.rstrip()[:-1] + b', "x":' + text)


def test_what_msgspec_quotes_is_not_told() -> None:
    told = decoding.fault(ValueError(f"Invalid enum value '{CANARY} - at `$.guest`' - at `$.objects[0].status`"))

    assert told == "Invalid value - at `$.objects[0].status`"
    assert decoding.fault(ValueError(f"Invalid value '{CANARY} - at `$.a'")) == "Invalid value"


# -- The command line's files --------------------------------------------------------------------------


def mapped(content: bytes, entity: str = "booking") -> Any:
    return CliRunner().invoke(app, ["map", "--vendor", "hostpms", "--entity", entity, "-"], input=content)


@given(entity=st.sampled_from(sorted(factories.GIVEN)), data=st.data())
def test_any_file_is_rows_and_refusals_and_no_traceback(entity: str, data: st.DataObject) -> None:
    result = mapped(data.draw(hostile.texts(b"[" + factories.GIVEN[entity].encode() + b"]")), entity)

    assert result.exit_code in (0, 1)
    assert isinstance(result.exception, SystemExit | None)
    assert CANARY not in result.stderr
    for line in filter(None, result.stdout.split("\n")):
        assert json.loads(line)["entity"]


def test_a_gzip_bomb_is_not_unpacked_beyond_what_a_raw_object_may_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scripts.cli.payload_files.LARGEST", 1_000_000)

    result = mapped(hostile.BOMB)

    assert (result.exit_code, result.stderr.strip()) == (1, "pousada: more than one worker takes")


@pytest.mark.parametrize("path", ["nowhere.json", ".", "a\nb"])
def test_a_file_that_is_none_is_a_wrong_command_line(tmp_path: Path, path: str) -> None:
    result = CliRunner().invoke(app, ["map", "--vendor", "hostpms", "--entity", "booking", str(tmp_path / path)])

    assert result.exit_code == 2
    assert "Traceback" not in result.output


@pytest.mark.parametrize("zone", ["Europe", "x" * 300, "..", "/etc/localtime", "Europe/Lisbon\n", "tzdata.zi"])
def test_a_time_zone_that_is_none_is_told(zone: str) -> None:
    arguments = ["map", "--vendor", "hostpms", "--entity", "booking", "--timezone", zone, "-"]

    result = CliRunner().invoke(app, arguments, input=factories.GIVEN["booking"].encode())

    assert result.exit_code == 1
    assert "unknown time zone" in result.stderr


@pytest.mark.parametrize("endpoint", ["garbage", "http://[::", "ftp:/x", ""])
def test_an_endpoint_that_is_no_address_is_told(endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POUSADA_STATE_DIR", str(tmp_path))
    result = CliRunner().invoke(app, ["--endpoint-url", endpoint, "dead-letters", "list"])

    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert result.stderr.startswith("pousada: ")
