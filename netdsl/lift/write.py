"""Write lifted steps as a program, the way a person would."""

from __future__ import annotations

from netdsl.kinds import Kind, show_value
from netdsl.lift.blocks import Lifted, LiftedBlock
from netdsl.lift.layout import Line, after, braced, breaks, part_of, wrapped
from netdsl.lift.loops import roll
from netdsl.lift.parameters import BLOCK, RESERVED, BlockParameter
from netdsl.lift.steps import (
    From,
    Join,
    Layer,
    Loop,
    Merge,
    Name,
    Residual,
    Steps,
    Text,
    holders,
    layers,
    walk,
)
from netdsl.lift.traced import Traced
from netdsl.ops import OPERATORS
from netdsl.parameters import REQUIRED


class Writer:
    def __init__(self, lifted: Lifted) -> None:
        self.lifted = lifted
        self.parameters: dict[str, tuple[BlockParameter, ...]] = {
            block.name: block.parameters for block in lifted.blocks
        }

    def program(self, name: str, traced: Traced, params: int) -> str:
        """The whole text: the blocks, then the network `name`, with a claim of its parameters."""
        source = traced.source.replace("\\", "/").replace('"', "'")
        parts = [f'"""Lifted from {source} by `netdsl import-model`."""']
        parts += [self.block(block) for block in self.lifted.blocks]
        shape = traced.operations[0].type.shape
        sizes = ", ".join(map(str, shape))
        steps = self.lifted.body
        labels = _labels(steps)
        names = ("image", "x", "image_in") if len(shape) == 3 else ("x", "x_in", "features_in")
        what = next(each for each in names if each not in labels)
        classes = None
        if "classes" not in labels:
            steps, classes = _with_classes(steps)
        body = _Body(self, steps, what, labels | {what, "classes"})
        lines = [f"network {name}{f'(classes = {classes})' if classes else ''} {{"]
        lines += [f"  {line}" for line in body.defaults()]
        lines.append(f"  input {what}[{sizes}]")
        lines += [f"  {line}" for line in body.lines()]
        claim = f'claim {traced.framework} "{source}" {{ params == {params:_} }}'
        lines += ["", f"  {claim}", "}"]
        parts.append("\n".join(lines))
        text = "\n\n".join(parts) + "\n"
        return "\n".join(each for line in text.split("\n") for each in wrapped(line))

    def block(self, block: LiftedBlock) -> str:
        taken = _labels(block.body) | {each.name for each in block.parameters}
        body = _Body(self, block.body, "in", taken)
        given = ", ".join(map(self.parameter, block.parameters))
        head = f"block {block.name}({given}) {{" if given else f"block {block.name} {{"
        return "\n".join([head, *(f"  {line}" for line in [*body.defaults(), *body.lines()]), "}"])

    def parameter(self, parameter: BlockParameter) -> str:
        name = f"{parameter.name}: block" if parameter.kind is BLOCK else parameter.name
        if parameter.default is REQUIRED:
            return name
        return f"{name} = {_show(parameter.kind, parameter.default)}"

    def argument(self, word: str, name: str, value: object) -> str:
        if isinstance(value, Text):
            return str(value)
        if word in OPERATORS:
            return _show(OPERATORS[word].parameters[name].kind, value)
        kind = next(each.kind for each in self.parameters[word] if each.name == name)
        return _show(kind, value)

    def call(self, layer: Layer, defaults: dict[tuple[str, str], object]) -> str:
        """An operator or block as it is called: what it needs by position, the rest by name."""
        given = dict(layer.arguments)
        texts: list[str] = []
        positional = True
        for name, default in self.signature(layer.word):
            if name not in given or (layer.word, name) in defaults:
                positional = False
                continue
            value = given[name]
            if default is not REQUIRED and not isinstance(value, Text) and value == default:
                positional = False
                continue
            shown = self.argument(layer.word, name, value)
            if positional and (default is REQUIRED or shown == name):
                texts.append(shown)
            else:
                positional = False
                texts.append(f"{name} = {shown}")
        return f"{layer.word}({', '.join(texts)})" if texts else layer.word

    def signature(self, word: str) -> list[tuple[str, object]]:
        if word in OPERATORS:
            return [(name, each.default) for name, each in OPERATORS[word].parameters.items()]
        # What is neither operator nor block is a parameter that stands for one.
        return [(each.name, each.default) for each in self.parameters.get(word, ())]


def _show(kind: Kind | None, value: object) -> str:
    return show_value(value) if kind is None else kind.show(value)


def _with_classes(steps: Steps) -> tuple[Steps, int | None]:
    """The steps with the width of the last dense layer as a parameter, where they end in one."""
    for position in range(len(steps) - 1, -1, -1):
        step = steps[position]
        if not isinstance(step, Layer):
            break
        if step.word == "dense":
            given = dict(step.arguments)
            classes = given["features"]
            assert isinstance(classes, int)
            given["features"] = Text("classes")
            named = step._replace(arguments=tuple(given.items()))
            return (*steps[:position], named, *steps[position + 1 :]), classes
        if step.holds:
            break
    return steps, None


class _Body:
    """The lines of a block's or network's body."""

    def __init__(self, writer: Writer, steps: Steps, source: str, taken: set[str]) -> None:
        self.writer = writer
        self.steps = roll(steps, writer.argument, frozenset(taken) | RESERVED)
        self.source = source
        self.taken = taken
        self.shared = self._shared_arguments()
        self.unlabelled = self._named_by_themselves()
        self.names: dict[int, str] = {}

    # Arguments that all layers of one operator have.

    def _shared_arguments(self) -> dict[tuple[str, str], object]:
        calls: dict[str, list[dict[str, object]]] = {}
        for layer in layers(self.steps):
            if layer.word in OPERATORS:
                calls.setdefault(layer.word, []).append(dict(layer.arguments))
        shared: dict[tuple[str, str], object] = {}
        for word, given in calls.items():
            for name in ("bias", "scale", "momentum", "eps"):
                parameter = OPERATORS[word].parameters.get(name)
                if parameter is None or not all(name in each for each in given):
                    continue
                value = given[0][name]
                if not isinstance(value, Text) and all(each[name] == value for each in given):
                    shared[word, name] = value
        # One call alone is not worth a line, unless others have one for the same.
        several = {(name, value) for (word, name), value in shared.items() if len(calls[word]) > 1}
        return {
            (word, name): value
            for (word, name), value in shared.items()
            if (name, value) in several
        }

    def defaults(self) -> list[str]:
        """The `default` line, where there is something to say in one."""
        given: dict[str, list[str]] = {}
        for (word, name), value in self.shared.items():
            shown = self.writer.argument(word, name, value)
            given.setdefault(word, []).append(f"{name} = {shown}")
        calls = ", ".join(f"{word}({', '.join(each)})" for word, each in given.items())
        return [f"default {calls}"] if calls else []

    # Which layers need no label.

    def _named_by_themselves(self) -> set[int]:
        """The layers, by identity, that would be called what they are without labels.

        That goes for all of one word or none, since netdsl numbers them.
        """
        held = holders(self.steps)
        bound: set[int] = set()
        for step in walk(self.steps):
            # Loops number what has no label, and a shortcut without one is called `shortcut`.
            if isinstance(step, (Loop, Residual)):
                inner = step.body if isinstance(step, Loop) else step.shortcut or ()
                bound.update(id(layer) for layer in holders(inner))
        bound |= {id(layer) for layer in held if len(layer.key) > 1}
        if any(isinstance(step, Name) for step in walk(self.steps)):
            bound = {id(layer) for layer in held}  # A label names a value there.
        wanted: dict[str, list[str]] = {}
        for layer in held:
            if id(layer) not in bound:
                wanted.setdefault(layer.word, []).append(layer.key[0])
        free = set(wanted)
        while True:
            labelled = {
                layer.key[0] for layer in held if id(layer) in bound or layer.word not in free
            }
            wrong = {
                word for word in free if wanted[word] != _numbers(word, len(wanted[word]), labelled)
            }
            if not wrong:
                return {
                    id(layer) for layer in held if id(layer) not in bound and layer.word in free
                }
            free -= wrong

    # Lines.

    def lines(self) -> list[str]:
        return self.statements(self.steps, self.source)

    def statements(self, steps: Steps, source: str) -> list[str]:
        """Lines for steps that begin with the value called `source`."""
        lines: list[str] = []
        line = Line()

        def close(name: str = "") -> None:
            nonlocal line
            lines.extend(line.text(name))
            line = Line()

        for step in steps:
            match step:
                case Layer():
                    part = part_of(step)
                    named = step.holds and id(step) not in self.unlabelled
                    # netdsl takes what a parameter stands for as something that may hold weights.
                    may_hold = step.holds or step.word not in OPERATORS
                    if breaks(line.state, part) or (may_hold and line.label):
                        close()
                    if named:
                        if line.chain:
                            close()
                        line.label = ".".join(step.key)
                    line.chain.append(self.writer.call(step, self.shared))
                    line.held = len(line.chain) if step.holds else line.held
                    line.state = after(line.state, part)
                case Residual() | Merge() | Loop():
                    close()
                    lines += self.structure(step)
                case Join(word, values):
                    joined = ", ".join(self.names[each] for each in values)
                    line.chain.append(f"{word}({joined})")
                    line.state = after(line.state, "other")
                case From(value):
                    close()
                    line.source = self.names[value]
                case Name(value):
                    if not lines and not line.chain:
                        self.names[value] = source
                    elif line.label.isidentifier():
                        self.names[value] = line.label
                        close()
                    else:
                        self.names[value] = self.name(line)
                        tail = [] if line.held == len(line.chain) else [line.chain.pop()]
                        if tail and not line.chain:
                            line.chain, tail = tail, []
                            close(self.names[value])
                        else:
                            close()
                            lines.append(f"{self.names[value]}: {(tail or ['identity'])[0]}")
        close()
        return lines

    def name(self, line: Line) -> str:
        """A label for a value that no layer's label names: after the layer, else the operator."""
        if line.label:
            word = next((part for part in line.label.split(".") if part.isidentifier()), "value")
            if f"{word}_out" not in self.taken:
                self.taken.add(f"{word}_out")
                return f"{word}_out"
            return self.free_name(f"{word}_out")
        return self.free_name(line.chain[-1].partition("(")[0] if line.chain else "value")

    def free_name(self, word: str) -> str:
        number = 1
        while f"{word}{number}" in self.taken | RESERVED:
            number += 1
        self.taken.add(f"{word}{number}")
        return f"{word}{number}"

    def structure(self, step: Residual | Merge | Loop) -> list[str]:
        match step:
            case Residual():
                condition = f" if {step.condition}" if step.condition else ""
                lines = braced(f"residual{condition}", self.statements(step.body, "in"))
                if step.shortcut is not None:
                    test = f" if {step.shortcut_condition}" if step.shortcut_condition else ""
                    body = self.statements(step.shortcut, "in")
                    further = braced(f"}} shortcut{test}", body)
                    if len(lines) == 1:
                        lines = [
                            lines[0][: lines[0].index("{") + 1],
                            f"  {lines[0][lines[0].index('{') + 2 : -2]}",
                            "}",
                        ]
                    lines = [*lines[:-1], *further]
                return lines
            case Merge(word, branches):
                ways = [self.statements(branch, "in") for branch in branches]
                short = " ".join(f"| {way[0]}" for way in ways)
                if all(len(way) == 1 and way[0][-1] != "}" for way in ways) and len(short) < 72:
                    return [f"{word} {{ {short} }}"]
                lines = [f"{word} {{"]
                for first, *rest in ways:
                    lines += [f"  | {first}", *(f"    {line}" for line in rest)]
                return [*lines, "}"]
            case Loop(head, body, label):
                if label:
                    inner = [" -> ".join(self.writer.call(each, self.shared) for each in body)]  # type: ignore[arg-type]  # Layers alone, as roll has it.
                    return braced(f"{'.'.join(label)}: {head}", inner)
                return braced(head, self.statements(body, self.source))


def _labels(steps: Steps) -> set[str]:
    """The first parts of the keys in a body, which are names there."""
    return {layer.key[0] for layer in holders(steps)}


def _numbers(word: str, count: int, taken: set[str]) -> list[str]:
    """What netdsl calls layers of one word without labels."""
    if count == 1 and word not in taken:
        return [word]
    names: list[str] = []
    number = 0
    while len(names) < count:
        number += 1
        if f"{word}{number}" not in taken:
            names.append(f"{word}{number}")
    return names
