"""Deterministic identity: ``UUIDv5(namespace, "{source}:{hotel_id}:{entity}:{external_id}")`` (DESIGN.md §4).

No look-up and no sequence: the live path, the batch path and every region compute the same id. It stands
beside the model, not in the pipeline, because a vendor's mapping names other records by their id.
"""

from __future__ import annotations

from hashlib import sha1, sha256
from typing import overload
from uuid import UUID, uuid5

NAMESPACE = UUID("5c1d6a0e-6f0b-5c86-9f0e-3a1d1c6c2b7e")
"""Fixed for ever: another namespace would be another set of ids."""

_namespace = NAMESPACE.bytes
# The two highest bits of the ninth byte are set to 10 (RFC 9562, 5.5).
_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


@overload
def record_id(source: str, hotel_id: str, entity: str, external_id: str) -> str: ...
@overload
def record_id(source: str, hotel_id: str, entity: str, external_id: None) -> None: ...
def record_id(source: str, hotel_id: str, entity: str, external_id: str | None) -> str | None:
    """The id as text; None for what has no external id.

    Equal to ``str(uuid5(NAMESPACE, …))`` and four times as fast: it runs for every row.
    """
    if external_id is None:
        return None
    name = f"{source}:{hotel_id}:{entity}:{external_id}"
    digest = sha1(_namespace + name.encode(), usedforsecurity=False).hexdigest()
    variant = _VARIANT[digest[16]]
    return f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-{variant}{digest[17:20]}-{digest[20:32]}"


def quarantine_id(raw_key: str, raw_line: int) -> UUID:
    """One raw record refused twice is one row of the quarantine."""
    return uuid5(NAMESPACE, f"quarantine:{raw_key}:{raw_line}")


def person_id(tax_id: str | None, email: str | None, name: str | None, phone: str | None) -> str | None:
    """The external id of a guest whom the vendor gave none, from what identifies the person.

    Tax id, else e-mail, else name and phone (../shared/vendors/hostpms.md). The prefix says that it was
    derived. None where nothing identifies the person: blanks do not, and those around a value do not count.
    """
    tax_id, email, name, phone = (" ".join((text or "").split()) for text in (tax_id, email, name, phone))
    if tax_id:
        key = f"tax_id:{tax_id}"
    elif email:
        key = f"email:{email.casefold()}"
    elif name and phone:
        key = f"person:{name.casefold()}:{phone}"
    else:
        return None
    return f"derived:{sha256(key.encode()).hexdigest()[:32]}"
