"""`netdsl explain`: a network's arithmetic, an operator's equations, a code's meaning."""

from __future__ import annotations

import sys
from inspect import cleandoc
from typing import TYPE_CHECKING

import click

from netdsl.codes import MEANINGS, RULES
from netdsl.commands import options
from netdsl.commands.console import Console
from netdsl.diagnostics import did_you_mean
from netdsl.network import Network, UnknownTarget, shipped_networks
from netdsl.ops import OPERATORS, SYNONYMS
from netdsl.ops.base import Op
from netdsl.reference import arguments

if TYPE_CHECKING:
    from netdsl.teach.lesson import Lesson

_EXAMPLES = """\b
Examples:
  netdsl explain conv                          an operator
  netdsl explain channels-not-divisible        a diagnostic code
  netdsl explain bias-before-norm              a rule of `netdsl lint`
  netdsl explain lenet5                        a network, layer by layer
  netdsl explain resnet50 layer2.0             some of its layers
  netdsl explain lenet5.net:12                 what a line of a program makes
  netdsl explain lenet5 conv1 --format latex
  netdsl explain vgg16 --quiz --seed 1         work it out yourself
"""

_FORMATS = ("text", "json", "markdown", "latex")


@click.command(epilog=_EXAMPLES)
@click.argument("what", metavar="OPERATOR|CODE|TARGET")
@click.argument("place", metavar="[PATH|LINE]", required=False)
@options.settings
@options.limit
@click.option("--quiz", is_flag=True, help="Ask for the numbers instead of showing them.")
@click.option(
    "--seed",
    type=click.IntRange(0),
    metavar="N",
    help="Pick the quiz's questions at random by this number. [default: the first ones]",
)
@click.option(
    "--questions",
    type=click.IntRange(1),
    metavar="N",
    default=10,
    show_default=True,
    help="How many questions the quiz asks.",
)
@click.option(
    "--format",
    "output_format",
    type=click.Choice(_FORMATS),
    default="text",
    show_default=True,
    help="How to write the result; operators and codes have text and json.",
)
@options.color
def command(
    what: str,
    place: str | None,
    settings: dict[str, str],
    quiz: bool,
    seed: int | None,
    questions: int,
    output_format: str,
    console: Console,
) -> int:
    """Explain an operator, a diagnostic code, a rule, or the arithmetic of a network's layers.

    TARGET is FILE.net, FILE.net:NETWORK or the name of a network that comes with netdsl; PATH is a
    layer of it, or what several layers' paths begin with; LINE is a line of its program, as in
    FILE.net:12. Without either, the whole network is explained, and what it repeats once.
    """
    name = SYNONYMS.get(what, what)
    if what not in MEANINGS and name not in OPERATORS:
        if not _is_target(what):
            raise UnknownTarget(_unknown(what))
        if quiz and output_format != "text":
            raise click.UsageError("--quiz asks in text, so it takes no --format")
        if quiz and what.partition(":")[0] == "-":
            raise click.UsageError("--quiz reads answers where `-` reads the program; give a file")
        network, place = _load(what, place, settings, console, json=output_format == "json")
        if not quiz:
            return _teach(network, place, output_format, console)
        return _quiz(network, place, seed, questions, console)
    if place is not None or settings or quiz or output_format in ("markdown", "latex"):
        kind = "an operator"
        if what in MEANINGS:
            kind = "a rule" if what in RULES else "a diagnostic code"
        raise click.UsageError(
            f"`{what}` is {kind}; a PATH, --set, --quiz and the formats markdown and latex are of "
            "networks"
        )
    if what in MEANINGS:
        from netdsl.explanations import to_json, to_text

        if output_format == "json":
            console.json(to_json(what))
        else:
            console.data(to_text(what))
        return 0
    op = OPERATORS[name]
    if output_format == "json":
        console.json(
            {
                "operator": name,
                "documentation": cleandoc(op.__doc__ or ""),
                "arguments": arguments(op),
            }
        )
        return 0
    console.data(describe(op))
    return 0


def describe(op: type[Op]) -> str:
    """An operator's documentation with its table of arguments, as text."""
    lines = [op.name, "", cleandoc(op.__doc__ or "")]
    rows = arguments(op)
    if rows:
        lines.append("")
        widths = [max(len(row[key]) for row in rows) for key in ("name", "default")]
        for row in rows:
            name, default = row["name"].ljust(widths[0]), row["default"].ljust(widths[1])
            lines.append(f"  {name}  {default}  {row['about']}; {row['takes']}")
    return "\n".join(line.rstrip() for line in lines)


def _is_target(what: str) -> bool:
    parts = what.split(":")
    if any(part.endswith(".net") for part in parts) or parts[0] == "-":
        return True
    return what in shipped_networks() or (parts[-1].isdecimal() and parts[0] in shipped_networks())


def _unknown(what: str) -> str:
    help = did_you_mean(what, (*OPERATORS, *MEANINGS, *shipped_networks()))
    return f"there is no operator, code or network `{what}`; " + (
        help or "`netdsl list operators`, `netdsl list codes` and `netdsl zoo` show them"
    )


def _load(
    what: str, place: str | None, settings: dict[str, str], console: Console, *, json: bool
) -> tuple[Network, str | None]:
    """The network of a target, and the path or line in it that is meant."""
    # These parse and check programs, which an operator's explanation need not wait for.
    from netdsl.commands.loading import load
    from netdsl.network import complete_networks, find, load_file
    from netdsl.teach.choose import by_line

    file, colon, line = what.rpartition(":")
    if not colon or not line.isdecimal():
        return load(what, settings, console, json=json), place
    if place is not None:
        raise click.UsageError(f"`{what}` names a line, so that no PATH can follow")
    if file == "-":
        raise click.UsageError("a program from standard input has no file to name lines of")
    program, _ = load_file(find(file).source)
    if not file.endswith(".net") or program is None:
        return load(file, settings, console, json=json), line
    for declaration in program.networks.values():
        span = declaration.span
        last = span.source.line_column(span.end)[0]
        # Networks that are imported have lines of other files.
        if span.source is program.source and span.line <= int(line) <= last:
            return load(f"{file}:{declaration.name}", settings, console, json=json), line
    # A line of a block: any network shows it that calls the block.
    for name in complete_networks(program):
        network = load(f"{file}:{name}", settings, console, json=json)
        try:
            by_line(network.graph, network.file.source, int(line))
        except UnknownTarget:
            continue
        return network, line
    return load(file, settings, console, json=json), line


def _lesson(network: Network, place: str | None) -> Lesson:
    """What there is to tell of a path or line, or of the whole network."""
    from netdsl.teach.choose import by_line, by_path
    from netdsl.teach.lesson import of_layers, of_network

    graph = network.graph
    if place is None:
        return of_network(network.report)
    if not place.isdecimal() or place in {node.path[0] for node in graph.nodes}:
        return of_network(network.report, by_path(graph, place))
    chosen = by_line(graph, network.file.source, int(place))
    if isinstance(chosen, frozenset):
        return of_network(network.report, chosen)
    return of_layers(network.report, chosen)


def _teach(network: Network, place: str | None, output_format: str, console: Console) -> int:
    from netdsl.teach import show

    lesson = _lesson(network, place)
    if output_format == "json":
        console.json(show.as_json(lesson))
    elif output_format == "markdown":
        console.data(show.markdown(lesson))
    elif output_format == "latex":
        console.data(show.latex(lesson))
    else:
        console.data(show.text(lesson, width=console.width, color=console.data_color))
    return 0


def _quiz(
    network: Network, place: str | None, seed: int | None, most: int, console: Console
) -> int:
    from netdsl.teach import quiz

    asked = quiz.questions(_lesson(network, place))
    if not asked:
        raise UnknownTarget(
            "there is nothing to ask: these layers have neither weights nor another shape"
            if all(isinstance(size, int) for size in network.graph.nodes[0].type.shape)
            else "the input's size is open: `--set H=64 --set W=64` or such gives it a number"
        )
    if seed is not None:
        # Only a quiz draws lots.
        from random import Random

        picked = sorted(Random(seed).sample(range(len(asked)), min(most, len(asked))))
        asked = [asked[number] for number in picked]
    asked = asked[:most]
    questions = "question" if len(asked) == 1 else "questions"
    console.data(
        f"{len(asked)} {questions} on {network.name}. Answer like 28x28x6, 1,020 or 1.02K; an "
        "empty line shows the answer."
    )
    score = quiz.run(asked, _read_line, console.data)
    console.data(
        f"\n{score.right} of {score.asked} right, {score.at_once} of them at once"
        + (f"; {len(asked) - score.asked} not asked" if score.asked < len(asked) else "")
    )
    return 0


def _read_line(prompt: str) -> str | None:
    print(prompt, end="", flush=True)
    line = sys.stdin.readline() if sys.stdin is not None else ""
    if not line:
        print()
        return None
    answer = line.rstrip("\r\n")
    if not sys.stdin.isatty():
        # A pipe shows no answers, so that what was asked and answered can be read together.
        from netdsl.source import printable

        print(printable(answer))
    return answer
