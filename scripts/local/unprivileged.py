"""Runs a command as an ordinary user where root would be refused: PostgreSQL will not run as root.

    python -m scripts.local.unprivileged command argument…

A container's only user is often root. Changing to ``nobody`` alone is not enough there: the wheel's programs and
the state folder may lie under a folder that only root may enter, and opening that folder to everyone would be
worse. So the one capability to pass through folders (CAP_DAC_OVERRIDE) goes along. Linux only.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import signal
import sys
from typing import NoReturn

from shared.errors import Misconfigured

USER = "nobody"
_CAP_DAC_OVERRIDE = 1
_CAPABILITY_VERSION_3 = 0x20080522
_PR_SET_PDEATHSIG, _PR_SET_SECUREBITS, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE = 1, 28, 47, 2
_SECBIT_NO_SETUID_FIXUP = 1 << 2


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Sets(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def main() -> NoReturn:
    become_ordinary()
    os.execv(sys.argv[1], sys.argv[1:])  # nosec B606 # noqa: S606 - no shell is what is wanted


def become_ordinary() -> None:
    """Gives up root for good. Raises Misconfigured where the kernel or the container does not allow it."""
    user = pwd.getpwnam(USER)
    libc = ctypes.CDLL(None, use_errno=True)
    # The change of user then takes no capability away; nor does access(2), with which initdb looks for its programs.
    _check(libc.prctl(_PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP, 0, 0, 0))
    os.setgroups([])
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)
    one = 1 << _CAP_DAC_OVERRIDE
    sets = (_Sets * 2)(_Sets(one, one, one), _Sets(0, 0, 0))
    _check(libc.capset(ctypes.byref(_Header(_CAPABILITY_VERSION_3, 0)), ctypes.byref(sets)))
    _check(libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _CAP_DAC_OVERRIDE, 0, 0))
    # After the change of user, which clears it: should the guard be killed, the server does not outlive it.
    _check(libc.prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT, 0, 0, 0))


def owner() -> tuple[int, int]:
    """(uid, gid) that a folder must have for the command to own it."""
    user = pwd.getpwnam(USER)
    return user.pw_uid, user.pw_gid


def _check(result: int) -> None:
    if result != 0:
        raise Misconfigured(
            f"PostgreSQL will not run as root, and changing to {USER} failed: {os.strerror(ctypes.get_errno())}",
            fix="run this as an ordinary user",
        )


if __name__ == "__main__":
    main()
