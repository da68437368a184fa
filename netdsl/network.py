"""Find a network by file or by name, and take it through the static stages."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from netdsl import syntax
from netdsl.architectures import __file__ as _ARCHITECTURES_FILE
from netdsl.bind import Given
from netdsl.budgets import Work
from netdsl.claims import judge
from netdsl.cost import CostReport, cost
from netdsl.deadline import within_time
from netdsl.diagnostics import Diagnostic, Fault, LimitFault, did_you_mean
from netdsl.elaborate import elaborate, missing_parameters
from netdsl.evaluate import evaluate
from netdsl.every_size import decide
from netdsl.exits import WRONG_USAGE, Failure
from netdsl.garbage import uncollected
from netdsl.graph import Graph
from netdsl.limits import LIMITS
from netdsl.parse import parse
from netdsl.program import Library, ProgramFile, load_program
from netdsl.scope import Scope, UnknownValue
from netdsl.sizes import UnwieldySize
from netdsl.source import Source, Span, decoded, read_source

SHIPPED = Path(str(_ARCHITECTURES_FILE)).parent
"""The folder of the architectures that come with netdsl; `import … from std` looks here too."""


_LISTED = 4
"""How many names a message lists."""


class UnknownTarget(Failure):
    """What a command was pointed at does not exist; the message says what would do."""

    exit_code = WRONG_USAGE


class Target(NamedTuple):
    """A program, and the network of it that is meant; None leaves that to the file."""

    source: Source
    network: str | None
    note: str = ""
    """What the user should know about how the target was found."""


class Network(NamedTuple):
    """A network that passed all checks, with its graph and costs."""

    name: str
    file: ProgramFile
    settings: dict[str, str]
    graph: Graph
    report: CostReport
    recipes: tuple[syntax.Recipe, ...]


def find(target: str) -> Target:
    """The program that `FILE.net`, `FILE.net:NETWORK`, a shipped name or `-` stands for.

    A name may have its folder in front: `torchvision/resnet50`. Where `NAME.net` is not there but
    a shipped network is called NAME, it is that one. Raises UnknownTarget or UnreadableSource.
    """
    if target == "-" or target.startswith("-:"):
        data = sys.stdin.buffer.read(LIMITS.file_bytes + 1)
        return Target(Source("<stdin>", decoded(data, "<stdin>")), target[2:] or None)
    path_text, colon, network = target.rpartition(":")
    if not colon or not path_text.endswith(".net"):
        path_text, network = target, ""
    if path_text.endswith(".net"):
        path = Path(path_text)
        shipped = shipped_networks().get(path.stem)
        if not path.exists() and path.name == path_text and shipped is not None and not network:
            note = f"there is no file {path_text} here; this is the {path.stem} that netdsl ships"
            return Target(read_source(shipped, shipped.name), path.stem, note)
        return Target(read_source(path), network or None)
    shipped = shipped_networks().get(target)
    if shipped is None:
        if Path(target).exists():
            raise UnknownTarget(f"`{target}` is not a .net file")
        names = tuple(shipped_networks())
        longer = [name for name in names if target and target in name]
        help = did_you_mean(target, names)
        if longer:
            listed = ", ".join(f"`{name}`" for name in longer[:_LISTED])
            help = f"there are {listed}" + (" and others" if len(longer) > _LISTED else "")
        elif not help.startswith("did"):
            help = "`netdsl zoo` shows the shipped ones"
        message = f"there is no shipped network `{target}`, and a file's name ends in .net; {help}"
        raise UnknownTarget(message)
    return Target(read_source(shipped, shipped.name), target.rpartition("/")[2])


def shipped_networks() -> dict[str, Path]:
    """The file of each shipped network, by its name, with its folder in front where it has one."""
    found: dict[str, Path] = {}
    for path in sorted(SHIPPED.glob("**/*.net")):
        folder = path.parent.relative_to(SHIPPED).as_posix()
        for name in _NETWORK.findall(path.read_text("utf-8")):
            found.setdefault(name if folder == "." else f"{folder}/{name}", path)
    return found


# Declarations begin their line, as `netdsl check architectures` makes sure of.
_NETWORK = re.compile(r"^network\s+([A-Za-z_]\w*)", re.MULTILINE)


def load_file(source: Source) -> tuple[ProgramFile | None, tuple[Diagnostic, ...]]:
    """Parse a program with its imports, which may lie in the file's folder or the current one."""
    root = None
    if source.path is not None:
        root = source.path.resolve().parent
        if root.is_relative_to(Path.cwd()):
            root = Path.cwd()
    return load_program(source, Library(root, SHIPPED))


@lru_cache(maxsize=1)  # A check asks for them several times.
def complete_networks(file: ProgramFile) -> tuple[str, ...]:
    """The networks of a file that need no further arguments; the others are templates."""
    names = []
    for name in file.networks:
        try:
            if not missing_parameters(file, name):
                names.append(name)
        except Fault:
            names.append(name)  # Elaborating it will say what is wrong.
    return tuple(names)


def choose_network(file: ProgramFile, wanted: str | None) -> str:
    """The network that is meant: the one named, the only one, or the one named like the file.

    Raises UnknownTarget.
    """
    stem = file.source.path.stem if file.source.path is not None else ""
    complete = complete_networks(file)
    if wanted is not None:
        if wanted in file.networks:
            return wanted
        help = did_you_mean(wanted, tuple(file.networks))
        raise UnknownTarget(
            f"`{file.source.name}` has no network `{wanted}`" + (f"; {help}" if help else "")
        )
    if len(complete) == 1:
        return complete[0]
    if stem in complete:
        return stem
    if not file.networks:
        raise UnknownTarget(f"`{file.source.name}` has no network, only blocks")
    if not complete and len(file.networks) == 1:
        return next(iter(file.networks))
    listed = ", ".join(f"{file.source.name}:{name}" for name in complete or file.networks)
    raise UnknownTarget(f"`{file.source.name}` has several networks: choose one of {listed}")


def read_settings(
    texts: dict[str, str], file: ProgramFile
) -> tuple[dict[str, Given], tuple[Diagnostic, ...]]:
    """The values of `--set name=value`, written as in a program."""
    settings: dict[str, Given] = {}
    for name, text in texts.items():
        source = Source(f"--set {name}", f"let {name} = {text}")
        tree, diagnostics = parse(source)
        if tree is None or diagnostics:
            return {}, diagnostics
        declaration = tree.declarations[0]
        assert isinstance(declaration, syntax.Let)
        try:
            value = evaluate(declaration.value, Scope(file.scope))
        except Fault as fault:
            return {}, (fault.diagnostic,)
        except UnknownValue:
            return {}, ()
        settings[name] = Given(name, value, declaration.value.span)
    return settings, ()


def setting_of(name: str, value: object) -> Given:
    """A setting that a Python caller gives as a value."""
    source = Source(f"{name}=…", f"{name} = {value!r}")
    return Given(name, value, Span(source, 0, len(source.text)))


def load_network(
    file: ProgramFile,
    name: str,
    settings: dict[str, Given],
    *,
    batch: int = 1,
    work: Work | None = None,
) -> tuple[Network | None, tuple[Diagnostic, ...]]:
    """Elaborate, cost and judge one network of a file. None where it has an error.

    An assertion that fails comes with the change that mends it, as far as `work` lets it be found.
    """
    try:
        with within_time(file.networks[name].name_span), uncollected():
            return _load_network(file, name, settings, batch, work)
    except LimitFault as fault:
        return None, (fault.diagnostic,)


def _load_network(
    file: ProgramFile, name: str, settings: dict[str, Given], batch: int, work: Work | None
) -> tuple[Network | None, tuple[Diagnostic, ...]]:
    elaboration = elaborate(file, name, settings)
    diagnostics = elaboration.diagnostics
    if elaboration.graph is None:
        return None, diagnostics
    try:
        report = cost(elaboration.graph, batch)
    except UnwieldySize as error:
        place = file.networks[name].name_span
        message = f"the costs are too long to work with: {error}"
        help = "fix the input's size, or give it a `default`"
        return None, (*diagnostics, Diagnostic("number-too-large", message, place, help=help))
    sizes = decide(elaboration, {})
    diagnostics += () if sizes is None else sizes.diagnostics
    diagnostics += judge(elaboration.checks, report)
    if any(each.severity == "error" for each in diagnostics):
        if work is not None and any(each.code == "assertion-failed" for each in diagnostics):
            # Imported here because only a failing program pays for it.
            from netdsl.advice import advise

            diagnostics = advise(file, name, settings, elaboration, diagnostics, work)
        return None, diagnostics
    shown = {key: given.span.text for key, given in settings.items()}
    recipes = recipes_for(file, name)
    return Network(name, file, shown, elaboration.graph, report, recipes), diagnostics


def bases(file: ProgramFile, name: str) -> Iterator[syntax.Network | syntax.Variant]:
    """The declaration of a network, and of those that it is a variant of, the nearest first."""
    seen: list[str] = []
    while name in file.networks and name not in seen:
        seen.append(name)
        declaration = file.networks[name]
        yield declaration
        if isinstance(declaration, syntax.Variant):
            name = declaration.base


def recipes_for(file: ProgramFile, name: str) -> tuple[syntax.Recipe, ...]:
    """The recipes of a file that train one of its networks: its own, and those of its bases.

    Of several with one name, that of the nearest.
    """
    found: dict[str, syntax.Recipe] = {}
    for declaration in bases(file, name):
        for recipe in file.recipes:
            if recipe.network == declaration.name:
                found.setdefault(recipe.name, recipe)
    return tuple(recipe for recipe in file.recipes if found.get(recipe.name) is recipe)


def has_errors(diagnostics: tuple[Diagnostic, ...]) -> bool:
    return any(each.severity == "error" for each in diagnostics)
