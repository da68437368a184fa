"""Packages that only a front end needs."""

from __future__ import annotations

from importlib.util import find_spec

from netdsl.exits import WRONG_USAGE, Failure


class PackageMissing(Failure):
    """A front end's package is not installed; the message says how to get it."""

    exit_code = WRONG_USAGE


def require(package: str, what: str) -> None:
    """Raise PackageMissing unless a package is installed."""
    if find_spec(package) is None:
        raise PackageMissing(
            f"reading {what} takes the package {package}, which is not installed here;\n"
            f"  `pip install 'netdsl[{package}]'` or `pip install {package}` gets it"
        )
