"""The raw bucket: every record as it came, one object per delivery or page (DESIGN.md §3).

``shared.pipeline.raw_keys`` gives the keys. A key that ends in ``.gz`` holds a gzip file; callers hand
over and get back the plain bytes.
"""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from io import BytesIO
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from shared.errors import Malformed, NotFound, Refuse, Retry, StoreUnavailable, TooLarge

if TYPE_CHECKING:
    from concurrent.futures import Future

LARGEST = 256 * 1024 * 1024
"""Bytes of one decompressed object: what a worker's memory holds, and where a gzip bomb ends."""

_GZIP = 16 + zlib.MAX_WBITS
_CONTENT_TYPES = {
    ".json": "application/json",
    ".ndjson": "application/x-ndjson",
    ".csv": "text/csv",
    # The object is a gzip file, as its name says; with a Content-Encoding some clients would unpack it unasked.
    ".gz": "application/gzip",
}


class RawObject(NamedTuple):
    key: str
    size: int
    """Bytes as stored, so compressed where the key ends in ``.gz``."""
    stored_at: datetime | None = None


class RawLake:
    """``client`` is a boto3 S3 client; ``largest`` bounds the plain bytes of one object."""

    def __init__(self, bucket: str, client: Any, largest: int = LARGEST) -> None:
        self._bucket = bucket
        self._client = client
        self._largest = largest

    def put(self, key: str, content: bytes) -> None:
        """Stores ``content`` (plain) under ``key``, over whatever is there. Raises StoreUnavailable."""
        stored = _compressed(content) if key.endswith(".gz") else content
        content_type = _CONTENT_TYPES.get(key[key.rfind(".") :], "application/octet-stream")
        with _store_errors(key):
            self._client.put_object(Bucket=self._bucket, Key=key, Body=stored, ContentType=content_type)

    def get(self, key: str) -> bytes:
        """The plain bytes. Raises NotFound, TooLarge, Malformed (not the gzip its key says), StoreUnavailable."""
        with _store_errors(key):
            answer = self._client.get_object(Bucket=self._bucket, Key=key)
            with answer["Body"] as body:
                stored = body.read(self._largest + 1)
        if len(stored) > self._largest:
            raise _too_large({"key": key})
        return unpacked(stored, self._largest, key=key) if key.endswith(".gz") else stored

    def list(self, prefix: str, after: str = "", at_once: int = 1_000) -> Iterator[RawObject]:
        """Every object under ``prefix`` whose key is greater than ``after``, in the keys' order.

        ``at_once``: keys of a request, of which S3 gives a thousand at the most. Raises StoreUnavailable.
        """
        for page in self._pages(prefix, StartAfter=after, PaginationConfig={"PageSize": at_once}):
            for item in page.get("Contents", ()):
                yield RawObject(item["Key"], item["Size"], item["LastModified"])

    def folders(self, prefix: str) -> Iterator[str]:
        """What comes next in the keys under ``prefix``, up to a slash and without it. Raises StoreUnavailable."""
        for page in self._pages(prefix, Delimiter="/"):
            for item in page.get("CommonPrefixes", ()):
                yield item["Prefix"].removeprefix(prefix).rstrip("/")

    def _pages(self, prefix: str, **of_list: Any) -> Iterator[dict[str, Any]]:
        paginator = self._client.get_paginator("list_objects_v2")
        with _store_errors(prefix):
            yield from paginator.paginate(Bucket=self._bucket, Prefix=prefix, **of_list)

    def exists(self, key: str) -> bool:
        """Raises StoreUnavailable."""
        return any(found.key == key for found in self.list(key))

    def many(self, keys: Iterable[str], concurrency: int = 8) -> Iterator[tuple[str, bytes | Refuse | Retry]]:
        """Each key with its plain bytes, in the order asked; fetched ``concurrency`` at a time.

        What ``get`` raises is handed over in the body's place: one bad object does not keep the rest back.
        At most twice ``concurrency`` bodies are in memory, however slowly they are taken. The client's
        connection pool (botocore's default: 10) bounds what ``concurrency`` brings.
        """
        # Imported here: the webhook function puts and never fetches, and pays for each import when cold.
        from concurrent.futures import ThreadPoolExecutor

        pool = ThreadPoolExecutor(concurrency)
        waiting: deque[tuple[str, Future[bytes | Refuse | Retry]]] = deque()
        try:
            for key in keys:
                waiting.append((key, pool.submit(self._outcome, key)))
                if len(waiting) == 2 * concurrency:
                    yield _next(waiting)
            while waiting:
                yield _next(waiting)
        finally:
            # Also where the caller stops half-way: what is not begun is not fetched.
            pool.shutdown(cancel_futures=True)

    def _outcome(self, key: str) -> bytes | Refuse | Retry:
        try:
            return self.get(key)
        except (Refuse, Retry) as error:
            return error


def _next(waiting: deque[tuple[str, Future[bytes | Refuse | Retry]]]) -> tuple[str, bytes | Refuse | Retry]:
    key, future = waiting.popleft()
    return key, future.result()


def _compressed(content: bytes) -> bytes:
    # zlib writes no time and no name into the header: the same page gives the same bytes.
    compressor = zlib.compressobj(wbits=_GZIP)
    return compressor.compress(content) + compressor.flush()


def unpacked(stored: bytes, largest: int = LARGEST, **facts: str) -> bytes:
    """The plain bytes of a gzip file, at most ``largest``: what is in it beyond that is not unpacked.

    Raises Malformed where it is not the whole of one, and TooLarge, both with ``facts``.
    """
    member = zlib.decompressobj(wbits=_GZIP)
    try:
        plain = member.decompress(stored, largest + 1)
        whole = member.eof
        if whole and member.unused_data:
            plain += _further_members(member.unused_data, largest + 1 - len(plain))
    except (zlib.error, OSError, EOFError):
        raise _not_gzip(facts) from None
    if len(plain) > largest:
        raise _too_large(facts)
    if not whole:
        raise _not_gzip(facts)
    return plain


def _further_members(stored: bytes, room: int) -> bytes:
    """Rare. gzip's own reader is slower, and takes any number of members in a time that grows with the bytes alone."""
    from gzip import GzipFile  # here: the webhook function pays for each import when cold

    return GzipFile(fileobj=BytesIO(stored)).read(room)


def _not_gzip(facts: dict[str, str]) -> Malformed:
    return Malformed("not a whole gzip file", reason="not_gzip", **facts)


def _too_large(facts: dict[str, str]) -> TooLarge:
    return TooLarge("more than one worker takes", reason="object_too_large", **facts)


@contextmanager
def _store_errors(key: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        raise _meaning(error.response["Error"]["Code"], key) from error
    except BotoCoreError as error:
        kind = type(error).__name__
        raise StoreUnavailable(f"the raw bucket did not answer ({kind})", store="s3", key=key) from error


def _meaning(code: str, key: str) -> NotFound | StoreUnavailable:
    """NotFound is what no retry mends; a bucket that is missing or forbidden is our fault, not the key's."""
    if code == "NoSuchKey":
        return NotFound("no such raw object", reason="no_such_object", key=key)
    if code == "InvalidObjectState":
        fix = "restore it from Glacier first"
        return NotFound("the raw object is archived", fix=fix, reason="archived_object", key=key)
    return StoreUnavailable(f"the raw bucket refused ({code})", store="s3", key=key)
