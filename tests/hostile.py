"""What strangers, broken vendors and accidents send: strategies for any test that must not trust its input.

Texts carry ``CANARY`` where they can, so that a test sees it wherever it is quoted.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from shared.pipeline.delivery import LARGEST_BODY
from shared.segments import is_segment
from shared.vendors.hostpms.webhook import sign
from tests.deliveries import BODY, NOW, PROPERTY, SECRET, proxy_event, resource, signed_headers

CANARY = "Zq7~canary~X9"  # no segment of a key, which might be told
EXAMPLES = settings.default.max_examples
"""Of this run, from ``scripts/prove --examples``."""

# -- Texts -----------------------------------------------------------------------------------------

TEXT = st.text(st.characters(), max_size=20)
MARKED = st.builds(lambda before, after: f"{before}{CANARY}{after}", TEXT, TEXT)
TRAVERSALS = (
    *("..", ".", "../..", "a..b", "/", "//", "a/b", "a//b", "\\", "..\\..", "%2e%2e", "%2f", "..%2f", "%252f", "%00"),
    *(
        "\0",
        "a\0",
        "a\n",
        "\r\n",
        "é",
        "a b",
        "-a",
        ".a",
        "\u202e",
        "．．／",
        "‥",
        "\u2215",
        "\u212a",
        "\ud800",
        "a" * 129,
    ),
    *("", " ", "${jndi:ldap://x}", "{}", "*", "#", "?x=1", "arn:aws:secretsmanager:eu-west-1:1:secret:a", "C:\\x"),
)
"""What might lead out of a prefix, if it were let."""
UNSAFE = (st.sampled_from(TRAVERSALS) | st.builds("{}{}".format, MARKED, st.sampled_from(TRAVERSALS)) | TEXT).filter(
    lambda text: not is_segment(text)
)
SEGMENTS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,12}", fullmatch=True).filter(is_segment)

# -- JSON ------------------------------------------------------------------------------------------

SCALARS: st.SearchStrategy[Any] = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([-1, 0, 2**31, 2**63, 2**64, -(2**63), 10**40, 1e300])
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["2024-03-01", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2024-03-01T10:30:00"])
    | MARKED
    | st.sampled_from(TRAVERSALS).map(lambda text: text.encode("utf-8", "replace").decode())
)
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(MARKED | TEXT, inner, max_size=3), max_leaves=6
)
DEEP = [b"[" * 50_000, b'{"a":' * 50_000, b"[" * 50_000 + b"]" * 50_000]
NUMBERS = [b"1e999", b"-1e-99999999999999999999", b"9" * 5_000, b'{"a":' + b"9" * 400 + b"}", b"NaN", b"-0"]
BOMB = gzip.compress(b" " * 8_000_000, mtime=0)
"""Eight kilobytes that are eight megabytes."""


def leaves(value: Any) -> Iterator[tuple[Any, Any]]:
    """``(container, key)`` of everything in ``value``, however deep."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in list(items):
        yield value, key
        yield from leaves(item)


@st.composite
def twisted(draw: st.DrawFn, sample: bytes) -> bytes:
    """The JSON ``sample`` of which some parts are gone, are something else, or are cut and flipped as bytes."""
    value = json.loads(sample)
    for _ in range(draw(st.integers(0, 3))):
        places = list(leaves(value))
        if not places:
            break
        container, key = draw(st.sampled_from(range(len(places))).map(places.__getitem__))
        if isinstance(container, dict) and draw(st.booleans()):
            del container[key]
        else:
            container[key] = draw(SCALARS | ANYTHING)
    text = json.dumps(value).encode()
    if draw(st.integers(0, 4)) == 0:
        at = draw(st.integers(0, len(text)))
        text = text[:at] + draw(st.binary(max_size=4)) + text[at + draw(st.integers(0, 4)) :]
    return text


def texts(sample: bytes) -> st.SearchStrategy[bytes]:
    """Any bytes, the more of them the nearer to ``sample``."""
    odd = st.sampled_from([b"", b" ", b"null", b"\xff\xfe", b'"\\ud800"', BOMB, *DEEP, *NUMBERS])
    json_text = ANYTHING.map(lambda value: json.dumps(value).encode())
    marked = st.binary(max_size=40).map(lambda some: some + CANARY.encode())
    return twisted(sample) | twisted(sample) | json_text | marked | odd


# -- Calls of the webhook ----------------------------------------------------------------------------

_REST: dict[str, Any] = {
    "resource": resource("hostpms"),
    "path": f"/webhooks/hostpms/{PROPERTY}/reservation.created",
    "httpMethod": "POST",
    "queryStringParameters": None,
    "multiValueQueryStringParameters": None,
    "stageVariables": None,
    "requestContext": {
        "resourceId": "x1",
        "resourcePath": resource("hostpms"),
        "httpMethod": "POST",
        "protocol": "HTTP/1.1",
        "stage": "v1",
        "requestId": "api-request-1",
        "requestTimeEpoch": 1709289000000,
        "identity": {"sourceIp": "192.0.2.1", "userAgent": "hostpms/3", "cognitoIdentityId": None},
    },
}


def rest_event(event: dict[str, Any]) -> dict[str, Any]:
    """``event`` with all that API Gateway's REST API has in one (payload format 1.0)."""
    return {**_REST, **event}


HOSTPMS_HEADERS = ("X-HostPMS-Signature", "X-HostPMS-Timestamp")
_NOISE = ("Content-Encoding", "Content-Type", "Content-Length", "Host", "Transfer-Encoding", "X-Forwarded-For")
TIMESTAMPS = st.sampled_from(
    [str(int(NOW.timestamp())), "1709289000000", "2024-03-01T10:30:00Z", "-1", "9" * 400, "NaN", "1709289000\n", ""]
)
BODIES = (
    st.binary(max_size=60)
    | st.sampled_from([BODY, b"", b"{}", gzip.compress(BODY), BOMB, *DEEP, *NUMBERS])
    | ANYTHING.map(lambda value: json.dumps(value).encode())
)
LARGE = [
    "A" * size for size in (LARGEST_BODY - 1, LARGEST_BODY + 1, 4 * (LARGEST_BODY // 3 + 2), 6 * 1024**2, 10 * 1024**2)
]
"""About our own limit, Lambda's and API Gateway's, as the event's body."""


def cased(name: str) -> st.SearchStrategy[str]:
    mixed = "".join(letter.upper() if place % 2 else letter.lower() for place, letter in enumerate(name))
    return st.sampled_from([name, name.lower(), name.upper(), name.swapcase(), mixed])


@st.composite
def signatures(draw: st.DrawFn, body: bytes) -> str:
    """One that is no signature of ``body`` by a secret of ours: invented, another's, or of something else."""
    timestamp = draw(TIMESTAMPS)
    wrong = draw(st.sampled_from(["guessed", "", SECRET + " ", SECRET.upper()]))
    forged = sign(timestamp, body, wrong)
    taken = sign(timestamp, body + b" ", SECRET)
    near = sign(str(int(NOW.timestamp())), body, SECRET)
    near = near[:-1] + ("0" if near[-1] != "0" else "1")
    return draw(st.sampled_from([forged, taken, near, "sha256=" + near, "0" * 64, "", "sha256="]) | MARKED)


@st.composite
def strange_headers(draw: st.DrawFn, body: bytes) -> dict[str, Any]:
    """``headers`` and ``multiValueHeaders`` as API Gateway would make them, and as it would not."""
    names = st.sampled_from(HOSTPMS_HEADERS + _NOISE).flatmap(cased) | MARKED
    pairs = [(draw(cased(HOSTPMS_HEADERS[0])), draw(signatures(body))), (HOSTPMS_HEADERS[1], draw(TIMESTAMPS))]
    pairs += draw(st.lists(st.tuples(names, MARKED | st.sampled_from(["gzip", "br", "0", "\xff"])), max_size=3))
    pairs = draw(st.permutations(pairs))[draw(st.integers(0, 2)) :]
    many: dict[str, list[str]] = {}
    for name, value in pairs:
        many.setdefault(name, []).append(value)
    both: dict[str, Any] = {"headers": dict(pairs), "multiValueHeaders": many}
    if draw(st.integers(0, 3)) == 0:
        both[draw(st.sampled_from(sorted(both)))] = draw(
            st.none() | st.dictionaries(TEXT, st.none() | TEXT, max_size=2)
        )
    return both


def carried(body: bytes) -> st.SearchStrategy[dict[str, Any]]:
    """``body`` and ``isBase64Encoded``, the flag true or lying."""
    encoded, text = base64.b64encode(body).decode(), body.decode("utf-8", "surrogateescape")
    ways = [(encoded, True), (text, False), (text, True), (encoded, False), (encoded.rstrip("="), True), (None, True)]
    pairs = st.sampled_from(ways) | st.tuples(st.sampled_from(LARGE) | MARKED, st.booleans())
    return pairs.map(lambda pair: {"body": pair[0], "isBase64Encoded": pair[1]})


PATHS = st.fixed_dictionaries(
    {
        "propertyId": st.sampled_from([PROPERTY, "ES-MAD-002", "PT-LIS-999"]) | st.just(PROPERTY) | UNSAFE,
    },
    optional={"event": st.sampled_from(["reservation.created", "guest.created", "reservation.deleted"]) | UNSAFE},
)
RESOURCES = (
    (st.sampled_from(["hostpms"] * 7 + ["HostPMS", "contract", "{vendor}"]) | st.just("hostpms") | UNSAFE).map(resource)
    | UNSAFE
    | st.sampled_from(["hostpms", "/webhooks/hostpms", resource("hostpms") + "/", "/" + resource("hostpms")])
)
FIELDS = ("resource", "pathParameters", "headers", "multiValueHeaders", "body", "isBase64Encoded", "requestContext")


@st.composite
def strangers_calls(draw: st.DrawFn) -> Any:
    """A call by someone who does not have the property's secret."""
    body = draw(BODIES)
    # Mostly one thing at a time: the checks go from cheap to dear, and what fails early hides what comes later.
    strange = draw(st.sets(st.sampled_from(["path", "headers", "body", "fields"]), max_size=2))
    event = rest_event(proxy_event(body, secret="guessed"))
    event |= {"resource": draw(RESOURCES), "pathParameters": draw(st.none() | PATHS)} if "path" in strange else {}
    event |= draw(strange_headers(body)) if "headers" in strange else {}
    event |= draw(carried(body)) if "body" in strange else {}
    fields = st.lists(st.sampled_from(FIELDS), min_size=1, max_size=2, unique=True)
    for field in draw(fields) if "fields" in strange else ():
        if draw(st.booleans()):
            del event[field]
        elif field != "requestContext":  # API Gateway's own word, and its id is answered
            event[field] = draw(st.none() | ANYTHING)
    return event


@st.composite
def signed_calls(draw: st.DrawFn) -> tuple[bytes, dict[str, Any]]:
    """A body and the call that brings it, rightly signed, however API Gateway wraps it."""
    body = draw(BODIES | st.just(CANARY.encode()) | st.just(b"A" * LARGEST_BODY))
    headers = {draw(cased(name)): value for name, value in signed_headers(body).items()}
    many: dict[str, Any] = {name: [value] for name, value in headers.items()}
    noise = draw(st.dictionaries(st.sampled_from(_NOISE), st.lists(MARKED, min_size=1, max_size=3), max_size=3))
    headers |= {name: values[-1] for name, values in noise.items()}
    given = draw(st.sampled_from([(headers, many | noise), (headers, None), (None, many | noise), (headers, {})]))
    event = {**proxy_event(body), "headers": given[0], "multiValueHeaders": given[1]}
    return body, rest_event(event)
