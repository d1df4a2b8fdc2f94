"""What may stand between two slashes of a key or a name: path traversal ends here.

Keys and names are made of what strangers, vendors and raw objects say. Whatever one of them is to be, each part of it
that is not ours passes here: no key of one property can then lie under another's prefix.
"""

from __future__ import annotations

import re
from typing import Annotated

import msgspec

from shared.errors import Malformed

# No slash or backslash, no dot-dot, no blank, no percent sign, nothing but ASCII.
SEGMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", re.ASCII)
Segment = Annotated[str, msgspec.Meta(pattern=rf"^(?!.*\.\.){SEGMENT.pattern}\Z")]
"""The same, for what msgspec decodes."""


def is_segment(text: str) -> bool:
    return SEGMENT.fullmatch(text) is not None and ".." not in text


def joined(*segments: str, by: str = "/") -> str:
    """``segments`` with ``by`` between them. Raises Malformed where one is none; it is not quoted."""
    for segment in segments:
        if not is_segment(segment):
            raise Malformed("a segment of a key or name has characters it may not have", reason="unsafe_key")
    return by.join(segments)
