"""What is said of mistakes in calls: the way out, and where what is meant is written."""

from __future__ import annotations

from netdsl import syntax
from netdsl.bind import Given
from netdsl.diagnostics import Diagnostic, Label, NearNames, did_you_mean
from netdsl.elaborate.lineage import lost_its_edge
from netdsl.kinds import show_value
from netdsl.ops import ACTIVATION_LAYERS, OPERATORS, SYNONYMS, meant
from netdsl.ops.base import Op
from netdsl.program import Block, ProgramFile
from netdsl.scope import UNKNOWN, Scope, Tensor, UnknownValue, describe, fail
from netdsl.source import Span


def find_callee(name: str, span: Span, scope: Scope, file: ProgramFile) -> Block | type[Op]:
    """The block or operator that a step calls. Raises Fault, and UnknownValue after a mistake."""
    found = scope.find(name)
    if found is UNKNOWN:
        raise UnknownValue
    if isinstance(found, Block) or (isinstance(found, type) and issubclass(found, Op)):
        return found
    if name in OPERATORS:
        return OPERATORS[name]
    if found is None and name in file.networks:
        help = "put what both need into a `block`"
        fail("not-a-layer", f"`{name}` is a network, not a layer", span, help=help)
    if found is not None:
        help = f"`from {name} -> …` goes on from a value" if isinstance(found, Tensor) else ""
        fail("not-a-layer", f"`{name}` is {describe(found)}, not a layer", span, help=help)
    other = meant(name)
    if other is not None:
        help = f"it is called `{other}` here"
    elif name.lower() in ACTIVATION_LAYERS:
        help = "an activation is a layer of its own, such as `relu`"
    elif name in file.library.shared_blocks():
        help = f"write `import {name} from std` at the top of the file"
    else:
        help = did_you_mean(name, (*OPERATORS, *file.blocks, *SYNONYMS))
        if isinstance(help, NearNames) and help.names[0] in SYNONYMS:
            help = f"`{help.names[0]}` is called `{SYNONYMS[help.names[0]]}` here"
        help = help or "`netdsl list operators` shows them all"
    fail("unknown-layer", f"there is no operator or block `{name}`", span, help=help)


def show_argument(value: object) -> str:
    return value.name if isinstance(value, Block) else show_value(value)


def of_residual(
    diagnostic: Diagnostic, step: syntax.Residual, operands: tuple[Tensor, ...], projects: bool
) -> Diagnostic:
    """That the two ways of a residual differ; it `projects` where its shortcut was taken."""
    body, shortcut = operands
    message = f"the residual's body gives {body.type}, its input is {shortcut.type}"
    labels = diagnostic.labels
    help = (
        "project the shortcut where the shape changes: "
        "`} shortcut if in.shape != out.shape { conv(…, 1x1, stride) }`"
    )
    if body.type is not None and shortcut.type is not None and not body.type.is_image:
        help = (
            "project the shortcut where the shape changes: "
            "`} shortcut if in.shape != out.shape { dense(out.channels) }`"
        )
        if body.type.shape[:-1] != shortcut.type.shape[:-1]:
            help = "the body must keep the number of tokens"
    condition = step.shortcut_condition
    if projects:
        message = f"the residual's body gives {body.type}, its shortcut {shortcut.type}"
        help = "the shortcut needs the body's stride and its number of channels"
    elif condition is not None:
        told = "this is false here, so the input itself is added"
        labels = (*labels, Label(condition.span, told))
        help = "take the shortcut wherever the shape changes: `shortcut if in.shape != out.shape`"
    if lost_its_edge(body.type, shortcut.type):
        help = "`pad = same` keeps the size"
    return diagnostic._replace(message=message, labels=labels, help=help)


def of_passes(diagnostic: Diagnostic, operands: list[Tensor], passes: list[str]) -> Diagnostic:
    """That branches differ, saying of those that a loop made which pass gives what."""
    count = len(operands)
    shown, rest = diagnostic.labels[:count], diagnostic.labels[count:]
    if not any(passes) or [each.span for each in shown] != [each.span for each in operands]:
        return diagnostic
    told: dict[Span, dict[str, list[str]]] = {}
    for label, text in zip(shown, passes, strict=True):
        type = label.text.removeprefix(_THIS)
        told.setdefault(label.span, {}).setdefault(type, []).append(text)
    labels = []
    for span, types in told.items():
        texts = [f"{type}{_in_passes(texts)}" for type, texts in types.items()]
        if len(texts) > _PASSES:
            texts[_PASSES - 1 :] = [f"{len(texts) - _PASSES + 1} other shapes"]
        *before, last = texts
        labels.append(Label(span, _THIS + (f"{', '.join(before)} and {last}" if before else last)))
    return diagnostic._replace(labels=(*labels, *rest))


def _in_passes(texts: list[str]) -> str:
    """What the loops' variables are where a branch gives one shape: " with r = 1 or r = 6"."""
    if len(texts) > _PASSES:
        return f"{texts[0]} and in {len(texts) - 1} other passes"
    return texts[0] + "".join(f" or{each.removeprefix(' with')}" for each in texts[1:])


_THIS = "this is "
_PASSES = 4
"""How many passes that make the same are named, and how many shapes that they make."""


def refuse_operand(given: Given, op: type[Op]) -> None:
    """Raise Fault for an argument of a merge that is taken for a value, or for where they join."""
    if given.name is None and not op.parameters:
        fail(
            "merge-operands",
            f"`{op.name}` joins values of the network, which {describe(given.value)} is not",
            given.span,
            help=f"`{op.name}(label)` joins a labelled value, `{op.name} {{ | … | … }}` branches",
        )
    if given.name in ("axis", "dim") and given.name not in op.parameters:
        joined = "their channels" if op.name == "concat" else "each value with its like"
        message = f"`{op.name}` has no argument `{given.name}`"
        fail("unknown-argument", message, given.span, help=f"it joins {joined}, always")


def is_foreign(value: object) -> bool:
    """Whether an argument is a value of the network or a layer, as other tools take them."""
    return isinstance(value, Tensor) or (isinstance(value, type) and issubclass(value, Op))


def needs_no_word(
    diagnostic: Diagnostic, argument: syntax.Argument, target: Block | type[Op] | None
) -> bool:
    """Whether a mistake in an argument is that a layer is called, and the layer `target` has no
    such argument: that alone is told of `act = relu6()`."""
    return (
        diagnostic.code == "unknown-function"
        and diagnostic.span.text in OPERATORS
        and isinstance(target, type)
        and not target.is_merge
        and argument.name not in (None, *target.parameters)
    )


def with_way_out(
    diagnostic: Diagnostic, call: syntax.Call, given: list[Given]
) -> Diagnostic | None:
    """What is wrong with an argument, where it is a value or a layer as in other tools; None for a
    value that is unknown after a mistake."""
    at_fault = next((each for each in given if each.span == diagnostic.span), None)
    value = None if at_fault is None else at_fault.value
    unknown = value is UNKNOWN or (isinstance(value, Tensor) and value.type is None)
    if unknown and diagnostic.code in ("argument-value", "too-many-arguments"):
        return None
    if isinstance(value, Tensor):
        text = diagnostic.span.text.rpartition("=")[2].strip()
        help = f"a layer takes the value that flows to it: `from {text} -> {call.name}(…)`"
        return diagnostic._replace(help=help)
    if isinstance(diagnostic.help, NearNames):
        return diagnostic
    if isinstance(value, type) and issubclass(value, Op):
        help = f"`{value.name}` is a step of its own: `{call.name}(…) -> {value.name}`"
        return diagnostic._replace(help=help)
    return diagnostic


def labelled_elsewhere(
    name: str, part: object, around: tuple[str, ...] = (), *, in_loop: bool = False
) -> tuple[Label, ...]:
    """Where a part of a syntax tree has a label that some place does not know; `around` are the
    labels of the groups that it is in."""
    if isinstance(part, Span) or not isinstance(part, tuple):
        return ()
    label = part.label if isinstance(part, (syntax.Flow, syntax.Aux)) else None
    if label is not None and label.span.text == name:
        text = f"this `{name}` is known from here to the end of its body"
        if isinstance(part, syntax.Aux):
            text = "a side branch has no value to go on from"
        elif in_loop:
            text = f"each pass has its own; a label such as `{name}{{i}}` is known outside, too"
        elif around:
            text = f"this is `{'.'.join((*around, name))}` outside of its braces"
        return (Label(label.span, text),)
    if isinstance(part, (syntax.Repeat, syntax.For)):
        in_loop = True
    if label is not None and isinstance(part, syntax.Flow):
        if any(isinstance(step, syntax.Group) for step in part.steps):
            around = (*around, label.span.text)
    elif isinstance(part, (syntax.Residual, syntax.Block)):
        around = ()
    for inner in part:
        found = labelled_elsewhere(name, inner, around, in_loop=in_loop)
        if found:
            return found
    return ()
