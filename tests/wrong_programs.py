"""The wrong programs of tests/errors: one folder per code, and one or more programs in each.

`CODE/NAME.net` is a program; `CODE/NAME/main.net` is one of several files. Either is rendered as
`CODE/NAME.txt` says. Where it takes another command than `netdsl check FILE` to find what is wrong,
the first line says it: `# netdsl check --set H=100`, `# netdsl check --limit tokens=20`, `# netdsl
compile`, `# netdsl train`.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from netdsl.check import check_file, check_names, check_recipes, check_templates
from netdsl.diagnostics import Diagnostic, Fault
from netdsl.emit import emit
from netdsl.fixes import propose
from netdsl.limits import lowered
from netdsl.network import load_file, read_settings
from netdsl.recipe import read_recipe
from netdsl.source import Source, read_source

FOLDER = Path(__file__).parent / "errors"


class WrongProgram(NamedTuple):
    """A program with its name, `CODE/NAME`."""

    name: str
    path: Path

    @property
    def code(self) -> str:
        """The code that it raises."""
        return self.name.partition("/")[0]

    @property
    def golden(self) -> Path:
        """Where its rendered diagnostics are."""
        return FOLDER / f"{self.name}.txt"


def wrong_programs() -> list[WrongProgram]:
    """All of them, by name."""
    found = []
    for path in (*FOLDER.glob("*/*.net"), *FOLDER.glob("*/*/main.net")):
        place = path.parent if path.name == "main.net" else path.with_suffix("")
        found.append(WrongProgram(place.relative_to(FOLDER).as_posix(), path))
    return sorted(found)


def diagnose(source: Source) -> tuple[Diagnostic, ...]:
    """All that the command finds in a program."""
    command, options = command_of(source)
    limits = {name: int(value) for name, value in options["--limit"].items()}
    with lowered(limits):
        return _diagnose(source, command, options["--set"])


def command_of(source: Source) -> tuple[str, dict[str, dict[str, str]]]:
    """The command of the first line, and its options by name."""
    options: dict[str, dict[str, str]] = {"--set": {}, "--limit": {}}
    words = source.line(1).split()
    if words[:2] != ["#", "netdsl"]:
        return "check", options
    for option, given in zip(words[3::2], words[4::2], strict=True):
        name, _, value = given.partition("=")
        options[option][name] = value
    return words[2], options


def _diagnose(source: Source, command: str, texts: dict[str, str]) -> tuple[Diagnostic, ...]:
    file, diagnostics = load_file(source)
    if file is None:
        return diagnostics
    settings, mistakes = read_settings(texts, file)
    diagnostics += mistakes
    for verdict in check_file(file, settings) if not mistakes else ():
        diagnostics += verdict.diagnostics
        if command == "compile" and verdict.network is not None:
            try:
                emit(verdict.network.graph)
            except Fault as fault:
                diagnostics += (fault.diagnostic,)
    if command == "train":
        for tree in file.recipes:
            recipe, _ = read_recipe(tree, file.scope)
            diagnostics += () if recipe is None else recipe.unsupported
    diagnostics += check_templates(file) + check_recipes(file)
    return diagnostics + check_names(file, diagnostics)


def diagnose_file(path: Path) -> tuple[Diagnostic, ...]:
    """The same of a file, which is shown without its folder, with the fixes that are proposed."""
    source = read_source(path, path.name)
    return propose(source, diagnose(source), diagnose).diagnostics
