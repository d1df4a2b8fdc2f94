"""What of the installed packages no function uses, by paths: a layer has no room for it, and a cold start no time.

Each line is held by a test that runs the functions' code on what is left (tests/integration/test_pruned_packages.py).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

COMMON = (
    # Countries are looked up by their codes and English names.
    "pycountry/locales",
    "pycountry/tests",
    # Where a number is from, who carries it and what time it is there; we only ask whether it is one.
    "phonenumbers/carrierdata",
    "phonenumbers/geodata",
    "phonenumbers/tzdata",
)
ARROW = (
    # For compiling against Arrow and NumPy.
    "numpy/**/include",
    "numpy/**/*.a",
    "numpy/**/*.pyi",
    "numpy/**/*.pxd",
    "numpy/f2py",
    "pyarrow/include",
    "pyarrow/includes",
    "pyarrow/src",
    "pyarrow/*.px[di]",
    "pyarrow/*.pyx",
    # Their own tests.
    "numpy/**/tests",
    "pyarrow/tests",
    "pyarrow/_pyarrow_cpp_tests*",
    # A client and server of Arrow's own protocol, query plans, another file format, encrypted files. The library of
    # query plans stays, as those of data sets do: pyarrow.lib itself is linked to them.
    "pyarrow/*flight*",
    "pyarrow/*_substrait.cpython*",
    "pyarrow/*_orc.cpython*",
    "pyarrow/*parquet_encryption*",
    # A wheel has no links: the same library three times over. It is loaded by the name between these two.
    "pyarrow/libarrow_python.so",
    "pyarrow/libarrow_python.so.*.*",
)
MIGRATIONS = (
    # Dialects of other databases, and the tests' own tools.
    "sqlalchemy/dialects/mssql",
    "sqlalchemy/dialects/mysql",
    "sqlalchemy/dialects/oracle",
    "sqlalchemy/testing",
    "alembic/testing",
    "alembic/templates",
)


def prune(packages: Path, unused: Iterable[str], strict: bool = True) -> None:
    """Removes what matches ``unused`` below ``packages``.

    Raises ValueError, if ``strict``, where a line matches nothing any more: on Linux, whose names these are.
    """
    for pattern in unused:
        found = list(packages.glob(pattern))
        if strict and not found:
            raise ValueError(f"{pattern}: there is nothing of that name; strike it out in infra/pruning.py")
        for path in found:
            if path.is_dir():
                shutil.rmtree(path)
            elif path.exists():
                path.unlink()


def unpacked_bytes(folder: Path) -> int:
    """What the files below ``folder`` take: what Lambda counts against its limit."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
