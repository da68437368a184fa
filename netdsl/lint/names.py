"""Rules about names: what is declared, imported or given and never read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from netdsl import syntax
from netdsl.diagnostics import Diagnostic, Edit, Fix
from netdsl.lint.edits import without_item, without_statement
from netdsl.lint.rule import Text, finding
from netdsl.records import records
from netdsl.source import Span


def unused_imports(text: Text) -> Iterator[Diagnostic]:
    """Names that are imported, and neither used nor imported from here by another file."""
    read = _read_by(text.tree.declarations)
    for declaration in text.tree.declarations:
        if not isinstance(declaration, syntax.Import):
            continue
        unused = [
            each
            for each in declaration.names
            if each.name not in read and not _imported_elsewhere(text, each.name)
        ]
        for each in unused:
            if len(unused) == len(declaration.names):
                fix = _removal("remove the import", without_statement(declaration.span))
            else:
                fix = _removal(f"remove `{each.name}`", without_item(each.span))
            yield finding(
                "unused-import", f"`{each.name}` is imported and not used", each.span, fix=fix
            )


def unused_lets(text: Text) -> Iterator[Diagnostic]:
    """Values that get a name which nothing reads. At the top of a file without networks they are
    for the files that import it."""
    shared = not _has_networks(text)
    top = _read_by(text.tree.declarations)
    for declaration in text.tree.declarations:
        if isinstance(declaration, syntax.Let):
            if not shared:
                yield from _unused_names(declaration, top, text)
        elif isinstance(declaration, (syntax.Block, syntax.Network)):
            read = _read_names(_with_variants(declaration, text))
            for record in records(declaration.body):
                if isinstance(record, syntax.Let):
                    yield from _unused_names(record, read, None)


def unused_variables(text: Text) -> Iterator[Diagnostic]:
    """Variables of loops that their bodies don't read."""
    for record in records(text.tree.declarations):
        if isinstance(record, syntax.Repeat):
            if record.number is None or _meant(record.number):
                continue
            if record.number not in _read_names(record.body):
                yield _unused_number(record, record.number)
        elif isinstance(record, (syntax.For, syntax.BranchLoop)):
            body = record.body if isinstance(record, syntax.For) else record.branches
            read = _read_names(body)
            for each in names_of(record.pattern):
                if each.name not in read and not _meant(each.name):
                    yield finding(
                        "unused-variable",
                        f"the loop does not use `{each.name}`",
                        each.span,
                        fix=_renamed(each),
                    )


def unused_parameters(text: Text) -> Iterator[Diagnostic]:
    """Parameters that no line of their block or network reads. A block that is passed on must take
    what its callers give, so it may have such."""
    passed = {
        each.name for each in records(text.tree.declarations) if isinstance(each, syntax.Name)
    }
    for declaration in text.tree.declarations:
        if not isinstance(declaration, (syntax.Block, syntax.Network)):
            continue
        read = _read_names(_with_variants(declaration, text))
        for parameter in declaration.parameters:
            if parameter.name in read or _meant(parameter.name):
                continue
            if declaration.name in passed or _passed_elsewhere(text, declaration.name):
                continue
            kind = "block" if isinstance(declaration, syntax.Block) else "network"
            name = Span(
                text.source,
                parameter.span.start,
                parameter.span.start + len(parameter.name),
            )
            yield finding(
                "unused-parameter",
                f"the {kind} `{declaration.name}` does not use its parameter `{parameter.name}`",
                name,
                help=f"remove it, with the arguments of its callers; `_{parameter.name}` says that "
                "it is meant",
            )


def unused_blocks(text: Text) -> Iterator[Diagnostic]:
    """Blocks of a file with networks which neither the file nor one beside it uses."""
    if not _has_networks(text):
        return
    read = _read_by(text.tree.declarations)
    for declaration in text.tree.declarations:
        if not isinstance(declaration, syntax.Block) or _meant(declaration.name):
            continue
        if declaration.name in read:
            continue
        if not _imported_elsewhere(text, declaration.name):
            yield finding(
                "unused-block",
                f"nothing calls the block `{declaration.name}`",
                declaration.name_span,
                help="remove it, or move it into a file of blocks for others to import",
            )


def unused_defaults(text: Text) -> Iterator[Diagnostic]:
    """Defaults of operators that nothing behind them calls."""
    for declaration in text.tree.declarations:
        if not isinstance(declaration, (syntax.Block, syntax.Network)):
            continue
        inside = list(records(declaration.body))
        of_defaults = {
            id(call) for each in inside if isinstance(each, syntax.Default) for call in each.calls
        }
        last: dict[str, int] = {}
        for each in inside:
            if isinstance(each, syntax.Call) and id(each) not in of_defaults:
                last[each.name] = max(each.span.start, last.get(each.name, -1))
        for default in inside:
            if not isinstance(default, syntax.Default):
                continue
            unused = [
                call for call in default.calls if last.get(call.name, -1) < default.span.start
            ]
            for call in unused:
                if len(unused) == len(default.calls):
                    fix = _removal("remove the line", without_statement(default.span))
                else:
                    fix = _removal("remove it", without_item(call.span))
                yield finding(
                    "unused-default",
                    f"no `{call.name}` follows to have this default",
                    call.span,
                    help="a default holds to the end of its body, and not inside the blocks that "
                    "it calls",
                    fix=fix,
                )


# ---------------------------------------------------------------- what is read


def _read_names(part: object) -> frozenset[str]:
    """The names that a part of the tree reads: of values, blocks and functions."""
    found: set[str] = set()
    for record in records(part):
        if isinstance(record, (syntax.Name, syntax.Call)):
            found.add(record.name)
        elif isinstance(record, syntax.Apply):
            found.add(record.function)
    return frozenset(found)


def _read_by(declarations: Iterable[syntax.Declaration]) -> frozenset[str]:
    """The names that declarations read; what an import lists, it declares."""
    return _read_names(tuple(each for each in declarations if not isinstance(each, syntax.Import)))


def _with_variants(declaration: syntax.Block | syntax.Network, text: Text) -> tuple[object, ...]:
    """What may read a declaration's names: itself, and the variants of a network."""
    if isinstance(declaration, syntax.Block):
        return (declaration.parameters, declaration.body)
    variants = [each.body for each in text.tree.declarations if isinstance(each, syntax.Variant)]
    return (declaration.parameters, declaration.body, *variants)


def _has_networks(text: Text) -> bool:
    return any(
        isinstance(each, (syntax.Network, syntax.Variant)) for each in text.tree.declarations
    )


def _meant(name: str) -> bool:
    """Whether a name says that nothing will read it."""
    return name.startswith("_")


def names_of(pattern: syntax.Pattern) -> Iterator[syntax.Pattern]:
    """The single names of a pattern, in order."""
    if pattern.nested is None:
        yield pattern
    for each in pattern.nested or ():
        yield from names_of(each)


def _unused_names(let: syntax.Let, read: frozenset[str], text: Text | None) -> Iterator[Diagnostic]:
    """Those names of a `let` that nothing reads; of a file's own with the `text` of the file."""
    names = list(names_of(let.pattern))
    unused = [
        each
        for each in names
        if each.name not in read
        and not _meant(each.name)
        and not (text is not None and _imported_elsewhere(text, each.name))
    ]
    for each in unused:
        if len(unused) == len(names):
            fix = _removal("remove the line", without_statement(let.span))
        else:
            fix = _renamed(each)
        yield finding("unused-let", f"nothing uses `{each.name}`", each.span, fix=fix)


def _removal(message: str, edit: Edit | None) -> Fix | None:
    return None if edit is None else Fix(message, (edit,), True)


def _renamed(name: syntax.Pattern) -> Fix:
    edit = Edit(name.span, f"_{name.name}")
    return Fix(f"call it `_{name.name}`, which says so", (edit,), True)


def _unused_number(repeat: syntax.Repeat, number: str) -> Diagnostic:
    head = Span(repeat.span.source, repeat.passes.span.end, repeat.body.span.start)
    match = re.match(rf"\s*\bas\s+({re.escape(number)})\b", head.text)
    message = f"the loop does not use `{number}`"
    if match is None:
        return finding("unused-variable", message, head)
    place = Span(head.source, head.start + match.start(1), head.start + match.end(1))
    edit = Edit(Span(head.source, head.start, head.start + match.end()), "")
    return finding(
        "unused-variable", message, place, fix=Fix(f"remove `as {number}`", (edit,), True)
    )


# ---------------------------------------------------------------- other files


def _imported_elsewhere(text: Text, name: str) -> bool:
    return any(name in names for names, _ in text.importers)


def _passed_elsewhere(text: Text, name: str) -> bool:
    """Whether a file that imports a block gives it to another."""
    words = re.compile(rf"[(,=\[]\s*{re.escape(name)}\s*[,)\]]")
    return any(name in names and words.search(other) for names, other in text.importers)
