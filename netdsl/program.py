"""One program: its file and what it imports, as tables of declarations by name."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TypeAlias

from netdsl import syntax
from netdsl.deadline import within_time
from netdsl.diagnostics import Diagnostic, Fault, Label, LimitFault, did_you_mean, too_many_errors
from netdsl.evaluate import evaluate, match_pattern
from netdsl.fuel import Fuel
from netdsl.limits import LIMITS
from netdsl.naming import Names, name_body
from netdsl.ops import OPERATORS
from netdsl.parse import parse
from netdsl.scope import UNKNOWN, Scope, UnknownValue
from netdsl.source import Source, Span, UnreadableSource, read_source


class Block:
    """A block with the file that it was declared in, whose names it sees."""

    def __init__(self, declaration: syntax.Block, file: ProgramFile) -> None:
        self.declaration = declaration
        self.file = file
        self.name = declaration.name
        self._names: Names | None = None

    def __str__(self) -> str:
        return f"the block `{self.name}`"

    @property
    def names(self) -> Names:
        if self._names is None:
            self._names = name_body(self.declaration.body)
        return self._names


class ProgramFile:
    """The declarations of one file, with the imported ones among them."""

    def __init__(self, tree: syntax.File, library: Library, fuel: Fuel | None = None) -> None:
        self.tree = tree
        self.library = library
        self.source = tree.source
        self.scope = Scope(fuel=fuel)
        self.blocks: dict[str, Block] = {}
        self.networks: dict[str, syntax.Network | syntax.Variant] = {}
        self.recipes: list[syntax.Recipe] = []
        self.sources: list[Source] = [tree.source]
        """The files of the program, this one first, without those of the standard library."""


class Library:
    """Where imports are found: files below `root`, and the standard library's folder."""

    def __init__(self, root: Path | None, standard: Path) -> None:
        self.root = None if root is None else root.resolve()
        self.standard = standard.resolve()

    def shared_blocks(self) -> tuple[str, ...]:
        """The blocks of `std`, each to be imported `from std`."""
        _, tree, _ = _library_file(self.standard / "std.net")
        declarations = () if tree is None else tree.declarations
        return tuple(each.name for each in declarations if isinstance(each, syntax.Block))


def load_program(
    source: Source, library: Library
) -> tuple[ProgramFile | None, tuple[Diagnostic, ...]]:
    """Parse a file and all that it imports. None only where it doesn't parse at all, or passes a
    limit."""
    loader = _Loader(library, source)
    try:
        with within_time(source.span(0, 0)):
            file = loader.load(source, ())
    except LimitFault as fault:
        return None, (*loader.diagnostics, fault.diagnostic)
    if file is not None:
        file.sources = loader.sources
    return file, tuple(loader.diagnostics)


Parsed: TypeAlias = "tuple[syntax.File | None, tuple[Diagnostic, ...]]"

_library_files: dict[Path, tuple[Source, syntax.File | None, tuple[Diagnostic, ...]]] = {}


def _library_file(path: Path) -> tuple[Source, syntax.File | None, tuple[Diagnostic, ...]]:
    """A file of the standard library, with what parsing says of it; parsed once in a process."""
    if path in _library_files:
        return _library_files[path]
    source = read_source(path, path.name)
    read = source, *parse(source)
    if read[1] is not None:
        _library_files[path] = read
    return read


class _Loader:
    def __init__(self, library: Library, source: Source) -> None:
        self.library = library
        self.sources = [source]
        self.diagnostics: list[Diagnostic] = []
        self.loaded: dict[Path, ProgramFile | None] = {}
        self.fuel = Fuel()

    def load(
        self, source: Source, importing: tuple[Path, ...], parsed: Parsed | None = None
    ) -> ProgramFile | None:
        tree, diagnostics = parsed or parse(source)
        self.diagnostics.extend(diagnostics)
        if tree is None:
            return None
        file = ProgramFile(tree, self.library, self.fuel)
        spans: dict[str, Span] = {}
        lets = _Lets(tree)
        for declaration in tree.declarations:
            if len(self.diagnostics) >= LIMITS.mistakes:
                raise LimitFault(too_many_errors(declaration.span))
            try:
                self._declare(declaration, file, spans, importing)
            except LimitFault:
                raise
            except Fault as fault:
                self.diagnostics.append(_with_later_let(fault.diagnostic, lets))
                for name in _declared(declaration):
                    file.scope.names.setdefault(name, UNKNOWN)
        return file

    def _declare(
        self,
        declaration: syntax.Declaration,
        file: ProgramFile,
        spans: dict[str, Span],
        importing: tuple[Path, ...],
    ) -> None:
        match declaration:
            case syntax.Let(pattern, value, span):
                try:
                    bound = match_pattern(pattern, evaluate(value, file.scope), value.span)
                except UnknownValue:
                    bound = dict.fromkeys(_names_of(pattern), UNKNOWN)
                for name, each in bound.items():
                    file.scope.bind(name, each, span)
            case syntax.Import():
                self._import(declaration, file, spans, importing)
            case syntax.Block(name, name_span, parameters):
                _claim_name(name, name_span, spans)
                _refuse_repeated(parameters)
                block = Block(declaration, file)
                file.blocks[name] = block
                file.scope.bind(name, block, name_span)
            case syntax.Network(name, name_span) | syntax.Variant(name, name_span):
                _claim_name(name, name_span, spans)
                if isinstance(declaration, syntax.Network):
                    _refuse_repeated(declaration.parameters)
                file.networks[name] = declaration
            case syntax.Recipe(name, name_span, network):
                _claim_name(f"recipe {name} for {network}", name_span, spans)
                file.recipes.append(declaration)

    def _import(
        self,
        declaration: syntax.Import,
        file: ProgramFile,
        spans: dict[str, Span],
        importing: tuple[Path, ...],
    ) -> None:
        path = self._locate(declaration, file)
        chain = (*importing, *((file.source.path.resolve(),) if file.source.path else ()))
        if path in chain:
            cycle = " -> ".join(each.name for each in (*chain[chain.index(path) :], path))
            raise Fault(
                Diagnostic(
                    "import-cycle",
                    f"this import closes a circle: {cycle}",
                    declaration.origin_span,
                    help="move what both need into a third file",
                )
            )
        if path not in self.loaded:
            if len(chain) > LIMITS.import_depth:
                raise Fault(
                    Diagnostic(
                        "imports-too-deep",
                        f"files import each other over {LIMITS.import_depth} deep",
                        declaration.origin_span,
                        help="import from the file that declares what is needed",
                    )
                )
            if len(self.loaded) >= LIMITS.import_files:
                raise Fault(
                    Diagnostic(
                        "too-many-imports",
                        f"a program imports at most {LIMITS.import_files} files",
                        declaration.origin_span,
                    )
                )
            parsed: Parsed | None = None
            try:
                if declaration.library:
                    source, *_ = library = _library_file(path)
                    parsed = library[1:]
                else:
                    source = read_source(path, _shown(file, declaration))
            except UnreadableSource as error:
                raise Fault(
                    Diagnostic("import-not-found", str(error), declaration.origin_span)
                ) from None
            if file.source in self.sources and not declaration.library:
                self.sources.append(source)
            self.loaded[path] = self.load(source, chain, parsed)
        for name, span in declaration.names:
            try:
                _claim_name(name, span, spans)
                value = _imported(name, span, declaration.origin, self.loaded[path])
            except Fault as fault:
                self.diagnostics.append(fault.diagnostic)
                value = UNKNOWN
            if isinstance(value, Block):
                file.blocks.setdefault(name, value)
            if name not in file.scope.names:
                file.scope.bind(name, value, span)

    def _locate(self, declaration: syntax.Import, file: ProgramFile) -> Path:
        span = declaration.origin_span
        if declaration.library:
            path = self.library.standard / f"{declaration.origin}.net"
            if not path.is_file():
                known = tuple(each.stem for each in self.library.standard.glob("*.net"))
                raise Fault(
                    Diagnostic(
                        "import-not-found",
                        f"there is no library `{declaration.origin}`",
                        span,
                        help=did_you_mean(declaration.origin, known),
                    )
                )
            return path
        if file.source.path is None or self.library.root is None:
            raise Fault(
                Diagnostic("import-not-found", "a text without a file can't import files", span)
            )
        try:
            path = (file.source.path.parent / declaration.origin).resolve()
            found = path.is_file()
        except (OSError, RuntimeError, ValueError):  # Links in a circle, or a name too long.
            message = f'"{declaration.origin}" leads to no file'
            raise Fault(Diagnostic("import-not-found", message, span)) from None
        inside = path.is_relative_to(self.library.root) or path.is_relative_to(
            self.library.standard.parent
        )
        if not inside:
            raise Fault(
                Diagnostic(
                    "import-outside-project",
                    f'"{declaration.origin}" lies outside the program\'s folder',
                    span,
                    help="copy the file beside this one",
                )
            )
        if not found:
            near = tuple(each.name for each in path.parent.glob("*.net"))
            help = did_you_mean(path.name, near)
            if f"{path.name}.net" in near:
                help = f'a file\'s name has its end: "{declaration.origin}.net"'
            raise Fault(
                Diagnostic(
                    "import-not-found",
                    f'there is no file "{declaration.origin}" beside `{file.source.name}`',
                    span,
                    help=help,
                )
            )
        return path


def _imported(name: str, span: Span, origin: str, file: ProgramFile | None) -> object:
    """What another file calls by a name; UNKNOWN where it has mistakes of its own. Raises Fault."""
    if file is None:
        return UNKNOWN
    if name in file.blocks:
        return file.blocks[name]
    if name in file.scope.names:
        return file.scope.names[name]
    message = f"`{origin}` has no block `{name}`"
    help = did_you_mean(name, tuple(file.scope.names))
    if name in file.networks:
        message = f"`{name}` is a network; blocks and values can be imported"
        help = "put what both need into a block"
    raise Fault(Diagnostic("import-not-found", message, span, help=help))


def _shown(file: ProgramFile, declaration: syntax.Import) -> str:
    """The imported file's name as diagnostics show it, relative like the importing file's."""
    parent = Path(file.source.name).parent
    return str(parent / declaration.origin)


def _claim_name(name: str, span: Span, spans: dict[str, Span]) -> None:
    if name in OPERATORS:
        raise Fault(
            Diagnostic(
                "name-taken", f"`{name}` is an operator", span, help="give yours another name"
            )
        )
    if name in spans:
        raise Fault(
            Diagnostic(
                "name-taken",
                f"`{name}` is declared twice in this file",
                span,
                labels=(Label(spans[name], "first here"),),
                help="give one of them another name",
            )
        )
    spans[name] = span


def _refuse_repeated(parameters: tuple[syntax.Parameter, ...]) -> None:
    first: dict[str, Span] = {}
    for each in parameters:
        if each.name in first:
            raise Fault(
                Diagnostic(
                    "name-taken",
                    f"two parameters are called `{each.name}`",
                    each.span,
                    labels=(Label(first[each.name], "first here"),),
                    help="give one of them another name",
                )
            )
        first[each.name] = each.span


class _Lets:
    """Where the `let`s of a file stand, by the names that they give."""

    def __init__(self, tree: syntax.File) -> None:
        self.tree = tree

    @cached_property
    def places(self) -> dict[str, list[Span]]:
        places: dict[str, list[Span]] = {}
        for each in self.tree.declarations:
            if isinstance(each, syntax.Let):
                for name in _names_of(each.pattern):
                    places.setdefault(name, []).append(each.pattern.span)
        return places


def _with_later_let(diagnostic: Diagnostic, lets: _Lets) -> Diagnostic:
    """A name that a `let` takes from one further down, with that one."""
    if diagnostic.code != "unknown-name":
        return diagnostic
    places = lets.places.get(diagnostic.span.text, ())
    later = next((place for place in places if place.start > diagnostic.span.start), None)
    if later is None:
        return diagnostic
    label = Label(later, f"`{diagnostic.span.text}` is given here, below")
    return diagnostic._replace(labels=(label,), help="put this `let` below that one")


def _declared(declaration: syntax.Declaration) -> list[str]:
    """The names that a declaration gives to the rest of its file."""
    match declaration:
        case syntax.Let(pattern):
            return _names_of(pattern)
        case syntax.Import(names):
            return [each.name for each in names]
        case syntax.Block(name):
            return [name]
    return []


def _names_of(pattern: syntax.Pattern) -> list[str]:
    if pattern.nested is None:
        return [pattern.name]
    return [name for each in pattern.nested for name in _names_of(each)]
