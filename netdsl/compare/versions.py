"""Two versions of a program: which networks correspond, and what became of each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from netdsl.claims import judge
from netdsl.compare.difference import Difference, difference
from netdsl.cost import CostReport, cost
from netdsl.diagnostics import Diagnostic
from netdsl.elaborate import elaborate
from netdsl.exits import WRONG_USAGE, Failure
from netdsl.network import (
    bases,
    choose_network,
    complete_networks,
    has_errors,
    load_file,
    read_settings,
)
from netdsl.program import ProgramFile
from netdsl.sizes import UnwieldySize
from netdsl.source import Source


class NotComparable(Failure):
    """Two networks whose difference can't be said."""

    exit_code = WRONG_USAGE


class Version(NamedTuple):
    """One side of a comparison. `file` is None where it is absent, or has the errors given.

    `network` is the one that is meant, None for all; `settings` are texts by name.
    """

    name: str
    file: ProgramFile | None
    network: str | None
    settings: dict[str, str]
    errors: tuple[Diagnostic, ...] = ()

    def networks(self) -> list[str]:
        """The networks that can be elaborated as they are."""
        return [] if self.file is None else [*complete_networks(self.file)]

    def templates(self) -> list[str]:
        """The networks that need arguments, and that no other one is a variant of."""
        if self.file is None:
            return []
        complete = self.networks()
        used = {declaration.name for name in complete for declaration in bases(self.file, name)}
        return [name for name in self.file.networks if name not in used]


class Loaded(NamedTuple):
    """One network of a version. `failed` counts claims and assertions that do not hold."""

    name: str
    report: CostReport | None
    errors: tuple[Diagnostic, ...]
    failed: int = 0


class Compared(NamedTuple):
    """A network before and after; None where there is none. `difference` needs both."""

    before: Loaded | None
    after: Loaded | None
    difference: Difference | None

    @property
    def broken(self) -> bool:
        """Whether errors keep it from being compared."""
        return any(each is not None and each.report is None for each in self[:2])

    @property
    def same(self) -> bool:
        return self.difference is not None and self.difference.same


def open_version(
    source: Source | None, network: str | None, settings: dict[str, str], name: str
) -> Version:
    """Parse one side; `source` is None where it is absent."""
    if source is None:
        return Version(name, None, network, settings)
    file, diagnostics = load_file(source)
    if file is None or has_errors(diagnostics):
        return Version(name, None, network, settings, diagnostics)
    return Version(name, file, network, settings)


def compare(before: Version, after: Version) -> Iterator[Compared]:
    """Each network of two versions, in the order of the second; none where one can't be read.

    Raises UnknownTarget, and NotComparable for sizes that are too long.
    """
    if before.errors or after.errors:
        return
    for old, new in _corresponding(before, after):
        a = None if old is None else _load(before, old)
        b = None if new is None else _load(after, new)
        found = None
        if a is not None and b is not None and a.report is not None and b.report is not None:
            try:
                found = difference(a.report, b.report)
            except UnwieldySize as error:
                raise NotComparable(
                    f"the difference of `{old}` and `{new}` is too long to work with: {error}; "
                    "fix the input's size with --set"
                ) from None
        yield Compared(a, b, found)


def _corresponding(before: Version, after: Version) -> list[tuple[str | None, str | None]]:
    """Names of networks that belong together: the chosen ones, the only ones, or namesakes."""
    if before.network is not None or after.network is not None:
        return [(_chosen(before, after.network), _chosen(after, before.network))]
    old, new = before.networks(), after.networks()
    if before.file is not None and after.file is not None and len(old) <= 1 and len(new) <= 1:
        if old and new:
            return [(old[0], new[0])]
        if not old and not new:
            return []
    pairs = [(name if name in old else None, name) for name in new]
    return [*pairs, *((name, None) for name in old if name not in new)]


def _chosen(version: Version, namesake: str | None) -> str | None:
    """The network that a version names; else that of the other's name, else the only one."""
    if version.file is None:
        return None
    if version.network is None and namesake in version.file.networks:
        return namesake
    return choose_network(version.file, version.network)


def _load(version: Version, name: str) -> Loaded:
    assert version.file is not None
    given, errors = read_settings(version.settings, version.file)
    if errors:
        return Loaded(name, None, errors)
    elaboration = elaborate(version.file, name, given)
    if elaboration.graph is None:
        return Loaded(name, None, elaboration.diagnostics)
    try:
        report = cost(elaboration.graph)
    except UnwieldySize as error:
        raise NotComparable(
            f"the costs of `{name}` are too long to work with: {error}; "
            "fix the input's size with --set"
        ) from None
    failed = [each for each in judge(elaboration.checks, report) if each.severity == "error"]
    return Loaded(name, report, (), len(failed))
