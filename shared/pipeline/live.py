"""The live path's decisions: what a set of announced raw objects comes to, and which of them failed.

All objects of one invocation are stored in one transaction. Only where that fails for a reason that lies
in the data are they stored one by one, so that a single bad object does not hold up the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from shared.errors import PousadaError, Refuse, Retry
from shared.model.mapping import Refusal, Row
from shared.pipeline.transform import ContextOf, Mapped, map_object, refuse_object

FetchMany = Callable[[Iterable[str]], Iterable[tuple[str, bytes | Refuse | Retry]]]
"""Raw keys → each with the object's plain bytes, or with what is wrong with it (``RawLake.many``)."""


class Store(Protocol):
    def apply(
        self, rows: Mapping[str, Sequence[Row]], refusals: Sequence[Refusal], raw_keys: Sequence[str]
    ) -> dict[str, int]: ...


@dataclass(slots=True)
class Applied:
    """What came of one invocation: ``mapped`` for the metrics, ``failed`` to be tried again, by raw key."""

    mapped: Mapped = field(default_factory=Mapped)
    written: dict[str, int] = field(default_factory=dict)
    failed: dict[str, Exception] = field(default_factory=dict)


def apply_objects(keys: Iterable[str], fetch_many: FetchMany, context_of: ContextOf, store: Store) -> Applied:
    """Fetches, maps and stores the raw objects ``keys``; never raises for what concerns only some of them."""
    applied = Applied()
    mapped: dict[str, Mapped] = {}
    for key, fetched in fetch_many(dict.fromkeys(keys)):
        if isinstance(fetched, Retry):
            applied.failed[key] = fetched
        elif isinstance(fetched, Refuse):
            mapped[key] = refuse_object(key, fetched)
        else:
            try:
                mapped[key] = map_object(key, fetched, context_of)
            except Exception as error:  # one hotel's broken integration, or a fault of ours, concerns only this object
                applied.failed[key] = error
    if mapped:
        _store(mapped, store, applied)
    return applied


def _store(mapped: Mapping[str, Mapped], store: Store, applied: Applied) -> None:
    whole = Mapped()
    for part in mapped.values():
        whole.add(part)
    try:
        written = store.apply(whole.rows, whole.refusals, list(mapped))
    except PousadaError as error:
        applied.failed.update(dict.fromkeys(mapped, error))
    except Exception as error:
        if len(mapped) == 1:
            applied.failed.update(dict.fromkeys(mapped, error))
            return
        for key, part in mapped.items():
            _store({key: part}, store, applied)
    else:
        applied.mapped.add(whole)
        for entity, count in written.items():
            applied.written[entity] = applied.written.get(entity, 0) + count
