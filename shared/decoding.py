"""What the decoding of text that others wrote may raise, and what of it may be told."""

from __future__ import annotations

import re

import msgspec

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises on a text, whatever the text."""

_PATH = re.compile(r" - at `\$[\w.\[\]]*`$")


def fault(error: BaseException) -> str:
    """What was wrong, and at which field: msgspec's words, which quote the value where it is none of a fixed set."""
    text = str(error)
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        return "not UTF-8"
    if not text.startswith("Invalid "):
        return text
    place = _PATH.search(text)
    return f"Invalid value{place[0] if place else ''}"
