"""Whether a role may, by its own policies and those of what it reaches for: IAM's wildcards, and denials first.

Conditions of what allows are taken as met, those of what denies as not met: what this says cannot be done, cannot.
"""

from __future__ import annotations

import re
from functools import lru_cache

from tests.infra.policies import Policies, Statement

# In place of a wildcard that is to be covered: no run of `?` reaches over it.
_ANYTHING = "\0" * 64


def covers(pattern: str, text: str) -> bool:
    """Whether ``pattern`` matches all that ``text`` does. Both may have IAM's ``*`` and ``?``."""
    return _compiled(pattern).fullmatch(text.replace("*", _ANYTHING)) is not None


@lru_cache(None)
def _compiled(pattern: str) -> re.Pattern[str]:
    parts = (".*" if sign == "*" else "." if sign == "?" else re.escape(sign) for sign in pattern)
    return re.compile("".join(parts), re.DOTALL)


@lru_cache(None)
def overlap(one: str, other: str) -> bool:
    """Whether any text matches both patterns."""
    if not one or not other:
        return not (one + other).strip("*")
    if one[0] == "*":
        return overlap(one[1:], other) or overlap(one, other[1:])
    if other[0] == "*":
        return overlap(one, other[1:]) or overlap(one[1:], other)
    return (one[0] == other[0] or "?" in (one[0], other[0])) and overlap(one[1:], other[1:])


def may(policies: Policies, holder: str, action: str, resource: str) -> bool:
    """Whether ``holder`` may do any of ``action`` to any of ``resource``; both may be patterns."""
    allowing = [s for s in policies.of("identity") if s.holder == holder]
    allowing += [s for s in policies.of("resource") if any(_lets_in(*principal) for principal in s.principals)]
    denying = [s for s in policies.of("identity", "Deny") if s.holder == holder]
    denying += [s for s in policies.of("resource", "Deny") if any(name == "*" for _, name in s.principals)]
    return any(_speaks_of(s, action, resource) for s in allowing) and not any(
        _forbids(s, action, resource) for s in denying
    )


def _lets_in(kind: str, name: str) -> bool:
    """Whether a role is meant, of whatever name. The account's root means: whom the account's own policies allow."""
    return kind in ("AWS", "*") and not name.endswith(":root")


def _speaks_of(statement: Statement, action: str, resource: str) -> bool:
    if statement.inverted:
        # All but something: held to be everything.
        return True
    return any(overlap(one.lower(), action.lower()) for one in statement.actions) and any(
        overlap(one, resource) for one in statement.resources
    )


def _forbids(statement: Statement, action: str, resource: str) -> bool:
    """Whether all of it is denied, without a condition."""
    if statement.inverted or statement.conditions:
        return False
    return any(covers(one.lower(), action.lower()) for one in statement.actions) and any(
        covers(one, resource) for one in statement.resources
    )
