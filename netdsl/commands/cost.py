"""`netdsl cost`: what a network costs, layer by layer, without running it."""

from __future__ import annotations

import click

from netdsl.budgets import Work
from netdsl.commands import options
from netdsl.commands.console import Console, diagnostics_json, exit_code
from netdsl.commands.loading import choose, show
from netdsl.cost import cost
from netdsl.elaborate import elaborate
from netdsl.network import load_network
from netdsl.report import as_json, table

_JUDGEMENTS = {"assertion-failed", "claim-differs"}
"""The errors of networks that work and have costs all the same."""

_EXAMPLES = """\b
Examples:
  netdsl cost lenet5.net
  netdsl cost resnet.net:resnet50 --set classes=10 --batch 32
  netdsl cost resnet152 --layers
  netdsl cost unet.net --set H=512 --set W=512 --format json
  netdsl cost resnet50 --symbolic                    as functions of H, W and classes
  netdsl cost resnet50 --symbolic --for classes      of the classes alone
  netdsl cost resnet50 --solve 'macs <= 2G' --for H  the largest image
  netdsl cost mobilenet_v1 --solve 'params < 2M' --for width
"""


@click.command(epilog=_EXAMPLES)
@options.target
@click.option(
    "--batch",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Images in a batch, for the memory figures.",
)
@click.option("--layers", is_flag=True, help="List every layer of a long network, not its blocks.")
@click.option("--symbolic", is_flag=True, help="Give costs as functions of sizes and parameters.")
@click.option("--compact", is_flag=True, help="Round the numbers of --symbolic to three digits.")
@click.option(
    "--solve",
    "bound",
    metavar="BOUND",
    help="Find the last value of --for that meets a bound, such as 'macs <= 2G'.",
)
@click.option(
    "--for",
    "names",
    metavar="NAME[,NAME]",
    help="What to solve for: a numeric parameter of the network, or sizes of its input. With "
    "--symbolic: what to leave open. [default: all that can be]",
)
@click.option(
    "--step",
    metavar="STEP",
    help="Distance of the values to try. [default: 1; 0.001 for a fraction]",
)
@options.output_format
@options.color
def command(
    target: str,
    settings: dict[str, str],
    batch: int,
    layers: bool,
    symbolic: bool,
    compact: bool,
    bound: str | None,
    names: str | None,
    step: str | None,
    output_format: str,
    console: Console,
) -> int:
    """Count TARGET's parameters, multiply-accumulates, operations, memory and receptive field.

    Counts are for the inference graph and one image; side branches stand apart. Sizes that the
    program leaves open come out as formulas.
    """
    _check_options(layers, symbolic, compact, bound, names, step)
    json = output_format == "json"
    if bound is not None and names is not None:
        return _solve(target, settings, bound, names, step, batch, console, json=json)
    if symbolic:
        return _formulas(target, settings, names, layers, compact, console, json=json)
    file, name, given = choose(target, settings, console, json=json)
    network, diagnostics = load_network(file, name, given, batch=batch, work=Work())
    failed = {each.code for each in diagnostics if each.severity == "error"}
    report = None if network is None else network.report
    if report is None and failed <= _JUDGEMENTS:
        # Just where a budget is exceeded, the table says by what.
        graph = elaborate(file, name, given).graph
        report = None if graph is None else cost(graph, batch)
    if report is None:
        return show(diagnostics, console, json=json)
    if json:
        found = {"diagnostics": diagnostics_json(diagnostics)} if failed else {}
        console.json(as_json(report) | found)
        return exit_code(diagnostics)
    console.data(table(report, all_layers=layers, width=console.width).rstrip("\n"))
    return show(diagnostics, console, json=False)


def _check_options(
    layers: bool,
    symbolic: bool,
    compact: bool,
    bound: str | None,
    names: str | None,
    step: str | None,
) -> None:
    if (bound is None) != (names is None) and (bound is not None or not symbolic):
        raise click.UsageError("--solve 'macs <= 2G' and --for NAME need each other")
    if step is not None and bound is None:
        raise click.UsageError("--step is for --solve")
    if bound is not None and (symbolic or layers):
        raise click.UsageError("--solve gives one answer, without --symbolic or --layers")
    if compact and not symbolic:
        raise click.UsageError("--compact is for --symbolic")


def _formulas(
    target: str,
    settings: dict[str, str],
    names: str | None,
    layers: bool,
    compact: bool,
    console: Console,
    *,
    json: bool,
) -> int:
    # Imported here because most runs have no formulas to show.
    from netdsl.answers import formulas_json, formulas_text
    from netdsl.formulas import open_network
    from netdsl.question import require_variable

    file, name, given = choose(target, settings, console, json=json)
    wanted = None if names is None else _listed(names)
    if wanted is not None:
        require_variable(file, name, wanted, given)
    opened = open_network(file, name, given, wanted)
    if json:
        console.json(formulas_json(opened))
    else:
        console.data(formulas_text(opened, layers=layers, compact=compact))
    # Budgets and claims are about the sizes that the network has by default.
    _, diagnostics = load_network(file, name, given, work=Work())
    return show(diagnostics, console, json=False)


def _listed(names: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(each.strip() for each in names.split(",")))


def _solve(
    target: str,
    settings: dict[str, str],
    bound: str,
    names: str,
    step: str | None,
    batch: int,
    console: Console,
    *,
    json: bool,
) -> int:
    # Imported here because most runs have nothing to solve.
    from netdsl.answers import answer_json, answer_text
    from netdsl.question import read_bound, read_step
    from netdsl.solve import solve

    file, name, given = choose(target, settings, console, json=json)
    answer = solve(
        file,
        name,
        given,
        read_bound(bound, file),
        _listed(names),
        step=None if step is None else read_step(step),
        batch=batch,
    )
    if json:
        console.json(answer_json(name, answer))
    else:
        console.data(answer_text(name, answer))
    return 0
